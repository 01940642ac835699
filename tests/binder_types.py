"""Message types and small functions for the tests of the binder."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.api
import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.binder import Binder, BindOptions, Body, Bound
from twistedgw.transcoding.codec import Codec, JsonOptions
from twistedgw.transcoding.rule import HttpRule
from twistedgw.transcoding.template import Template

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"

LIBRARY = """
syntax = "proto3";
package lib;
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Genre { GENRE_UNSPECIFIED = 0; FICTION = 1; POETRY = 2; LOST = -1; }

message Author {
  string first_name = 1;
  int32 born = 2;
  Author mentor = 3;
  repeated string pen_names = 4;
  map<string, string> labels = 5;
  google.protobuf.Struct info = 6;
  oneof contact { string mail = 7; string phone = 8; }
  google.protobuf.Timestamp joined = 9;
  Author next_kin = 10;
}

message Everything {
  string text = 1;
  int32 small = 2;
  int64 big = 3;
  uint32 usmall = 4;
  uint64 ubig = 5;
  sint32 zsmall = 6;
  sint64 zbig = 7;
  fixed32 fsmall = 8;
  fixed64 fbig = 9;
  sfixed32 sfsmall = 10;
  sfixed64 sfbig = 11;
  float single = 12;
  double twice = 13;
  bool flag = 14;
  bytes data = 15;
  Genre genre = 16;
  optional int32 maybe = 17;
  google.protobuf.NullValue nothing = 18;

  repeated string texts = 20;
  repeated int64 bigs = 21;
  repeated double doubles = 22;
  repeated bool flags = 23;
  repeated bytes blobs = 24;
  repeated Genre genres = 25;
  repeated google.protobuf.Timestamp times = 26;
  repeated google.protobuf.Value values = 27;
  repeated google.protobuf.Int64Value wrapped_bigs = 28;
  repeated Author authors = 29;

  map<string, string> labels = 30;
  map<int32, int64> numbers = 31;
  map<bool, Genre> genres_by_flag = 32;
  map<string, google.protobuf.Timestamp> times_by_name = 33;
  map<string, google.protobuf.Value> values_by_name = 34;
  map<string, google.protobuf.BoolValue> bools_by_name = 35;
  map<string, Author> authors_by_name = 36;

  google.protobuf.Timestamp time = 40;
  google.protobuf.Duration span = 41;
  google.protobuf.FieldMask mask = 42;
  google.protobuf.Struct struct = 43;
  google.protobuf.Value value = 44;
  google.protobuf.ListValue list = 45;
  google.protobuf.Any any = 46;
  google.protobuf.Empty empty = 47;
  google.protobuf.DoubleValue w_double = 50;
  google.protobuf.FloatValue w_float = 51;
  google.protobuf.Int64Value w_int64 = 52;
  google.protobuf.UInt64Value w_uint64 = 53;
  google.protobuf.Int32Value w_int32 = 54;
  google.protobuf.UInt32Value w_uint32 = 55;
  google.protobuf.BoolValue w_bool = 56;
  google.protobuf.StringValue w_string = 57;
  google.protobuf.BytesValue w_bytes = 58;

  Author author = 60;
  string renamed = 61 [json_name = "otherName"];
  oneof choice { string left = 62; int32 right = 63; Author person = 64; google.protobuf.Timestamp moment = 65; }
}

message Book {
  string name = 1;
  string title = 2;
  int32 page_count = 3;
  Author author = 4;
  repeated string keywords = 5;
  map<string, int32> counts = 6;
  google.protobuf.Struct extra = 7;
  google.protobuf.Any any = 8;
  google.protobuf.Timestamp published = 9;
  google.protobuf.Int32Value edition = 10;
  bytes cover = 11;
  repeated bytes pictures = 12;
  repeated Author editors = 13;
  google.protobuf.BytesValue seal = 14;
}

message UpdateBook {
  Book book = 1;
  google.protobuf.FieldMask update_mask = 2;
  string note = 3;
  repeated Book books = 4;
  map<string, int32> counts = 5;
  int32 number = 6;
  google.protobuf.Timestamp time = 7;
}
message TwoMasks { Book book = 1; google.protobuf.FieldMask update_mask = 2; google.protobuf.FieldMask read_mask = 3; }
message Upload { string name = 1; google.api.HttpBody file = 2; repeated google.api.HttpBody files = 3; }
message Keyed { string key = 1; string pretty_print = 2; string text = 3; }

service Library {
  rpc Everything(.lib.Everything) returns (.lib.Everything);
  rpc Update(.lib.UpdateBook) returns (.lib.Book);
  rpc Masks(.lib.TwoMasks) returns (.lib.Book);
  rpc Upload(.lib.Upload) returns (.lib.Upload);
  rpc Raw(google.api.HttpBody) returns (google.api.HttpBody);
  rpc Keyed(.lib.Keyed) returns (.lib.Keyed);
  rpc Struct(google.protobuf.Struct) returns (google.protobuf.Struct);
}
"""

OLD = """
syntax = "proto2";
package old;
enum Colour { RED = 1; BLUE = 2; }
message Part { required string id = 1; optional Part next = 2; optional int32 size = 3 [default = 7]; }
message Thing {
  required string id = 1;
  optional Part part = 2;
  optional Colour colour = 3;
  repeated group Row = 4 { optional int32 cell = 1; }
  optional group Column = 5 { optional int32 cell = 1; }
  extensions 100 to 200;
  repeated Part parts = 6;
}
message Other { extensions 100 to 200; }
extend Thing {
  optional string note = 100;
  repeated int32 marks = 101;
  optional Part spare = 102;
  optional bytes blob = 103;
  repeated bytes blobs = 104;
}
extend Other { optional string elsewhere = 100; }
service Old { rpc Do(Thing) returns (Thing); }
"""


@cache
def pool() -> DescriptorPool:
    """Compile the types into a pool of their own."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("library.proto", LIBRARY), ("old.proto", OLD)):
            Path(folder, name).write_text(text, "utf-8")
        bundled = Path(grpc_tools.__file__).parent / "_proto"
        googleapis = Path(next(iter(google.api.__path__))).parent.parent
        command = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", "-oout.pb"]
        command += [f"-I{path}" for path in (folder, bundled, googleapis)]
        subprocess.run([*command, "library.proto", "old.proto"], check=True, cwd=folder)
        files = FileDescriptorSet.FromString(Path(folder, "out.pb").read_bytes())
    made = DescriptorPool()
    for file in files.file:
        made.Add(file)
    return made


def method(name: str) -> MethodDescriptor:
    service = "old.Old" if name == "Do" else "lib.Library"
    return pool().FindServiceByName(service).methods_by_name[name]


def binder(
    name: str = "Everything",
    verb: str = "GET",
    path: str = "/x",
    body: str = "",
    *,
    ignore_unknown_query: bool = False,
    **options: bool,
) -> Binder:
    rule = HttpRule(verb, path, body)
    codec = Codec(pool(), JsonOptions(**options))
    return Binder(rule, Template.parse(path), method(name), codec, BindOptions(ignore_unknown_query))


def bind(
    made: Binder, *values: str, query: str | bytes = b"", data: str | bytes = b"", content_type: str | None = None
) -> Bound:
    raw = query.encode() if isinstance(query, str) else query
    octets = data.encode() if isinstance(data, str) else data
    return made.bind(values, raw, Body(content_type, octets))


def message(name: str, **fields: Any) -> Any:
    """Make a message of a full type name."""
    return Codec(pool()).message_class(pool().FindMessageTypeByName(name))(**fields)


def refused(made: Binder, *values: str, **request: Any) -> InvalidArgument:
    """Bind a request that must be refused, and give the error."""
    with pytest.raises(InvalidArgument) as caught:
        bind(made, *values, **request)
    return caught.value
