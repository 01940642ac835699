"""A `.proto` with something of everything, for documents and for the gateway that is described by them."""

from __future__ import annotations

KITCHEN = """
syntax = "proto3";
package kitchen.v1;
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/api/field_info.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

// Cooks.
//
// Everything in here is made to order. (-- and nobody reads this --)
service Kitchen {
  // Gets a dish.
  //
  // The dish is [warm][kitchen.v1.Dish].
  // buf:lint:ignore RPC_REQUEST_STANDARD_NAME
  rpc GetDish(GetDishRequest) returns (Dish) {
    option (google.api.http) = { get: "/v1/{name=menus/*/dishes/*}" };
  }
  rpc ListDishes(ListDishesRequest) returns (ListDishesRequest) {
    option (google.api.http) = { get: "/v1/dishes" additional_bindings { get: "/v1/menus/{menu}/dishes" } };
  }
  rpc MakeDish(Dish) returns (Dish) {
    option (google.api.http) = { post: "/v1/dishes" body: "*" };
  }
  rpc Scalars(Scalars_) returns (Scalars_) {
    option (google.api.http) = { post: "/v1/scalars" body: "*" };
  }
  rpc Known(Known_) returns (Known_) {
    option (google.api.http) = { post: "/v1/known" body: "*" };
  }
  rpc Choose(Choice) returns (Choice) {
    option (google.api.http) = { post: "/v1/choices" body: "*" };
  }
  rpc ChangeDish(ChangeDishRequest) returns (ChangeDishRequest) {
    option (google.api.http) = { patch: "/v1/dishes/{dish.title}" body: "dish" };
    option deprecated = true;
  }
  rpc Rename(RenameRequest) returns (RenameRequest) {
    option (google.api.http) = { post: "/v1/dishes/{title}:rename" body: "*" };
  }
  rpc Tags(ListDishesRequest) returns (ListDishesRequest) {
    option (google.api.http) = { put: "/v1/tags" body: "tags" response_body: "tags" };
  }
  rpc Nested(Nest) returns (Nest) {
    option (google.api.http) = { post: "/v1/nests" body: "nest" response_body: "nest" };
  }
  rpc Files(ListDishesRequest) returns (ListDishesRequest) {
    option (google.api.http) = { get: "/v1/files/{page_token=**}" };
  }
  rpc Query(Asked) returns (Asked) {
    option (google.api.http) = { get: "/v1/query" };
  }
  rpc Download(GetDishRequest) returns (google.api.HttpBody) {
    option (google.api.http) = { get: "/v1/download/{name}" };
  }
  rpc Upload(google.api.HttpBody) returns (google.protobuf.Empty) {
    option (google.api.http) = { post: "/v1/upload" body: "*" };
  }
  rpc Watch(GetDishRequest) returns (stream Dish) {
    option (google.api.http) = { get: "/v1/watch/{name}" };
  }
  rpc Collect(stream Dish) returns (Dish) {
    option (google.api.http) = { post: "/v1/collect" body: "*" };
  }
  rpc Any(GetDishRequest) returns (Dish) {
    option (google.api.http) = { custom: { kind: "*" path: "/v1/any/{name}" } };
  }
  rpc Bare(GetDishRequest) returns (Dish);
}

// What is on the plate.
message Dish {
  // How it is called.
  string title = 1 [(google.api.field_behavior) = REQUIRED];
  int64 grams = 2; // without the plate
  Heat heat = 3;
  repeated Dish sides = 4;
  map<string, Dish> sauces = 5;
  string etag = 6 [(google.api.field_behavior) = OUTPUT_ONLY];
  string secret = 7 [(google.api.field_behavior) = INPUT_ONLY];
  string origin = 8 [(google.api.field_behavior) = IMMUTABLE];
  string id = 9 [(google.api.field_info).format = UUID4];
  string old = 10 [deprecated = true];
  optional string note = 11;
  Size size = 12;
  // Small or large.
  message Size { int32 width = 1; }
}

// How warm it is.
enum Heat {
  option allow_alias = true;
  // Nobody knows.
  HEAT_UNSPECIFIED = 0;
  COLD = 1;
  // Burns.
  HOT = 2 [deprecated = true];
  BURNING = 2;
}

message GetDishRequest { string name = 1; }

message ListDishesRequest {
  string menu = 1;
  int32 page_size = 2;
  string page_token = 3;
  repeated string tags = 4;
  repeated Heat heat = 5;
  Filter filter = 6;
  map<string, int32> scores = 7;
}

message Filter {
  string title = 1;
  Filter inner = 2;
  double least = 3;
}

message Scalars_ {
  bool a_bool = 1;
  int32 an_int32 = 2;
  sint32 a_sint32 = 3;
  sfixed32 a_sfixed32 = 4;
  uint32 a_uint32 = 5;
  fixed32 a_fixed32 = 6;
  int64 an_int64 = 7;
  sint64 a_sint64 = 8;
  sfixed64 a_sfixed64 = 9;
  uint64 a_uint64 = 10;
  fixed64 a_fixed64 = 11;
  float a_float = 12;
  double a_double = 13;
  string a_string = 14;
  bytes some_bytes = 15;
  repeated bytes many_bytes = 16;
  map<bool, string> by_bool = 17;
  map<string, bytes> by_string = 18;
}

message Known_ {
  google.protobuf.Timestamp at = 1;
  google.protobuf.Duration took = 2;
  google.protobuf.FieldMask mask = 3;
  google.protobuf.Struct struct = 4;
  google.protobuf.Value value = 5;
  google.protobuf.ListValue list = 6;
  google.protobuf.Any any = 7;
  google.protobuf.Empty empty = 8;
  google.protobuf.Int64Value int64 = 9;
  google.protobuf.StringValue string = 10;
  google.protobuf.BoolValue bool = 11;
  google.protobuf.BytesValue bytes = 12;
  google.protobuf.NullValue null = 13;
  repeated google.protobuf.Value values = 14;
  map<string, google.protobuf.Struct> structs = 15;
  repeated google.protobuf.Timestamp times = 16;
}

message Asked {
  google.protobuf.Timestamp at = 1;
  google.protobuf.Duration took = 2;
  google.protobuf.FieldMask mask = 3;
  google.protobuf.Struct struct = 4;
  google.protobuf.Value value = 5;
  google.protobuf.ListValue list = 6;
  google.protobuf.UInt64Value uint64 = 7;
  google.protobuf.BytesValue bytes = 8;
  map<string, google.protobuf.Timestamp> by_name = 9;
  map<bool, Heat> by_bool = 10;
  repeated google.protobuf.Duration pauses = 11;
  bool flag = 12;
  float least = 13;
}

message Choice {
  oneof main {
    string meat = 1;
    Filter stew = 2;
  }
  oneof side {
    int32 fries = 3;
    bool salad = 4;
  }
  oneof alone { string drink = 5; }
}

message ChangeDishRequest {
  Dish dish = 1;
  google.protobuf.FieldMask update_mask = 2;
  bool dry_run = 3;
}

message RenameRequest {
  string title = 1;
  string to = 2;
  oneof how { bool quietly = 3; string reason = 4; }
}

message Nest { Nest nest = 1; string egg = 2; }
"""
