"""Message types of every syntax for the tests of the codec."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.codec import Codec, JsonOptions

THREE = """
syntax = "proto3";
package t;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Color { COLOR_UNSPECIFIED = 0; DARK_RED = 1; GREEN = 2; NEGATIVE = -1; }

message Everything {
  int32 int32_value = 1;
  int64 int64_value = 2;
  uint32 uint32_value = 3;
  uint64 uint64_value = 4;
  sint32 sint32_value = 5;
  fixed64 fixed64_value = 6;
  double double_value = 7;
  float float_value = 8;
  bool bool_value = 9;
  string string_value = 10;
  bytes bytes_value = 11;
  Color color = 12;
  Everything inner = 13;
  optional int32 maybe = 14;
  google.protobuf.NullValue null_value = 15;

  repeated int32 int32_list = 21;
  repeated int64 int64_list = 22;
  repeated double double_list = 23;
  repeated float float_list = 24;
  repeated bool bool_list = 25;
  repeated string string_list = 26;
  repeated bytes bytes_list = 27;
  repeated Color color_list = 28;
  repeated Everything inner_list = 29;
  repeated google.protobuf.NullValue null_list = 30;

  map<string, string> string_map = 41;
  map<int32, int32> int32_map = 42;
  map<int64, Everything> int64_map = 43;
  map<uint64, double> uint64_map = 44;
  map<bool, Color> bool_map = 45;
  map<string, google.protobuf.Value> value_map = 46;

  google.protobuf.Timestamp timestamp = 61;
  google.protobuf.Duration duration = 62;
  google.protobuf.FieldMask field_mask = 63;
  google.protobuf.Struct struct = 64;
  google.protobuf.Value value = 65;
  google.protobuf.ListValue list_value = 66;
  google.protobuf.Any any = 67;
  google.protobuf.Empty empty = 68;
  google.protobuf.Int64Value wrapped_int64 = 69;
  google.protobuf.StringValue wrapped_string = 70;
  google.protobuf.BoolValue wrapped_bool = 71;
  google.protobuf.DoubleValue wrapped_double = 72;
  repeated google.protobuf.Value value_list = 73;
  repeated google.protobuf.Int64Value wrapped_list = 74;
  repeated google.protobuf.Timestamp timestamp_list = 75;

  oneof choice {
    int32 choice_int = 81;
    string choice_string = 82;
    Everything choice_inner = 83;
    google.protobuf.NullValue choice_null = 84;
    google.protobuf.Value choice_value = 85;
  }
  string renamed = 91 [json_name = "@re named"];
}
message Pair { string left = 1; oneof side { string a = 2; string b = 3; } }
"""
TWO = """
syntax = "proto2";
package t2;
message Old {
  enum Closed { ZERO = 0; ONE = 1; }
  required string id = 1;
  optional int32 count = 2 [default = 7];
  optional Closed closed = 3;
  repeated Closed closed_list = 4;
  map<string, Closed> closed_map = 5;
  optional Old inner = 6;
  optional group Group = 7 { optional int32 x = 1; }
  optional string text = 8;
  repeated Old inner_list = 9;
  extensions 100 to 200;
}
message Scope { extend Old { optional string scoped = 103; } }
extend Old { optional int32 number = 100; repeated Old olds = 101; }
extend Old { optional Old old = 102; repeated int32 numbers = 104; }
message Names {
  optional string HasField = 1; optional string Extensions = 2; optional string DESCRIPTOR = 3;
  optional string ListFields = 4; optional string WhichOneof = 5; optional string SetInParent = 6;
  optional string MergeFrom = 7; optional string self = 8; optional string class = 9;
  optional string IsInitialized = 10;
  repeated string FindInitializationErrors = 11; optional Names SerializePartialToString = 12;
  oneof which { string m = 13; string v = 14; string out = 15; }
  extensions 100 to 200;
}
extend Names { optional string names_extension = 100; }
"""


@cache
def pool() -> DescriptorPool:
    """Compile both files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "three.proto").write_text(THREE)
        (folder / "two.proto").write_text(TWO)
        include = Path(grpc_tools.__file__).parent / "_proto"
        out = folder / "set.pb"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"-I{include}", "--include_imports"]
        subprocess.run([*command, f"--descriptor_set_out={out}", "three.proto", "two.proto"], check=True)
        files = FileDescriptorSet.FromString(out.read_bytes())
    made = DescriptorPool()
    for file in files.file:
        made.AddSerializedFile(file.SerializeToString())
    return made


def descriptor(name: str) -> Any:
    """Give a message type."""
    return pool().FindMessageTypeByName(name)


@cache
def codec(**options: bool) -> Codec:
    """Give the codec for these types."""
    return Codec(pool(), JsonOptions(**options))


def make(name: str = "t.Everything", /, **fields: Any) -> Any:
    """Make a message."""
    return codec().message_class(descriptor(name))(**fields)


def read(text: str | bytes, name: str = "t.Everything", /, **options: bool) -> Any:
    """Read JSON text."""
    return codec(**options).decoder(descriptor(name))(text.encode() if isinstance(text, str) else text)


def written(message: Any, **options: bool) -> str:
    """Write JSON text."""
    return codec(**options).encoder(type(message).DESCRIPTOR)(message).decode()


def refused(text: str | bytes, name: str = "t.Everything", /, **options: bool) -> tuple[str, str]:
    """Give the path and the description of what is wrong with a text."""
    with pytest.raises(InvalidArgument) as caught:
        read(text, name, **options)
    assert caught.value.reason == "INVALID_JSON"
    return caught.value.field, caught.value.description
