"""Whatever a client puts into a field: it is refused, or the configuration reads back just that."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from admin_direct import Direct
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from twistedgw.admin.refusal import RefusalError
from twistedgw.config.load import load

INI = """
[gateway]
state_dir = var
[admin]
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
[service:shop]
[backend:shop]
protocol = grpc
target = 127.0.0.1:9
[api:shop/all]
rpc = shop.Shop/*
backend = shop
[service:two]
"""
PROTO = 'syntax = "proto3"; package shop; message M { string a = 1; } service Shop { rpc Do(M) returns (M); }'

WORDS = [
    *("a", "A", "x.example", "*.b.example", "http", "https", "grpc", "GET", "post", "/", "/a/{a}", "/A/", "*", "body"),
    *("shop.Shop/Do", "shop.Shop/*", "localhost:1", "unix:/x", "unix:x", "http://x/", "round_robin", "yes", "1s", "5"),
    *(
        "shop",
        "release",
        "test",
        "all",
        "",
        " ",
        "a b",
        "a  b",
        "a,b",
        "a\nb",
        "a ; b",
        "#a",
        "${HOME}",
        "${",
        "[x:y]",
        "=",
        ":",
        "%",
        "\\n",
    ),
]
TEXT = st.one_of(
    st.sampled_from(WORDS),
    st.text(alphabet=st.sampled_from("ab/:;#=[]\n\r\t ,${}*.\\\"'\x00\x85\u2028\xa0é🙂"), max_size=10),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
)
TEXTS = st.lists(TEXT, max_size=3)
ACCEPTED: Counter[str] = Counter()
"""How many values of each kind were not refused: a test that never sees one proves nothing."""

USUAL = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def direct():
    folder = Path(tempfile.mkdtemp())
    (folder / "g.ini").write_text(INI)
    made = Direct(folder / "g.ini")
    yield made
    shutil.rmtree(folder)


def written(direct: Direct, service: str, method: str, /, **fields: Any) -> Any:
    """Make a change in an empty store; give the answer, and None where it is refused."""
    shutil.rmtree(direct.state, ignore_errors=True)
    direct.open()
    try:
        answer = direct.call(service, method, **fields)
    except RefusalError as refusal:
        if not (refusal.violations or refusal.problems) or (direct.state / "objects.ini").exists():
            raise
        return None
    finally:
        direct.close()
    ACCEPTED[method] += 1
    return answer


def drawn(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def near(good: dict[str, Any], fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Give what is good but for a field or two."""
    one = st.one_of([st.tuples(st.just(name), strategy) for name, strategy in fields.items()])
    return st.lists(one, max_size=2).map(lambda changes: {**good, **dict(changes)})


def check(given_values: dict[str, Any], answer: Any, read: Callable[[str], Any]) -> None:
    for name, value in given_values.items():
        if value in ("", []):
            continue
        shown = getattr(answer, name)
        assert (list(shown) if isinstance(value, list) else shown) == value, name
        assert read(name) == value, name


@USUAL
@given(st.fixed_dictionaries({"description": optional(TEXT), "hosts": optional(TEXTS), "protocols": optional(TEXTS)}))
def test_services(direct: Direct, values: dict[str, Any]) -> None:
    values = drawn(values)
    answer = written(direct, "Services", "CreateService", service={"name": "services/new", **values})
    if answer is None:
        return
    service = load(direct.ini, {}).services["new"]
    values.pop("protocols", None)
    check(values, answer, lambda name: list(service.hosts) if name == "hosts" else service.description)
    assert set(load(direct.ini, {}).services) == {"shop", "two", "new"}


@USUAL
@given(
    st.fixed_dictionaries({"prefix": optional(TEXT), "backend": optional(TEXT), "published": optional(st.booleans())})
)
def test_environments(direct: Direct, values: dict[str, Any]) -> None:
    values = drawn(values)
    answer = written(
        direct, "Services", "CreateEnvironment", parent="services/shop", environment_id="new", environment=values
    )
    if answer is not None:
        environment = load(direct.ini, {}).services["shop"].environments["new"]
        check(
            values, answer, lambda name: (environment.prefix or "/") if name == "prefix" else getattr(environment, name)
        )


API = {"backend": TEXT, "rpc": TEXT, "method": TEXT, "path": TEXT, "body": TEXT, "response_body": TEXT, "except": TEXTS}


@USUAL
@given(
    near({"backend": "shop", "rpc": "shop.Shop/Do", "method": "GET", "path": "/a/{a}"}, API),
    optional(st.tuples(st.integers(-10, 40_000_000), st.integers(0, 999_999_999))),
)
def test_apis(direct: Direct, values: dict[str, Any], timeout: tuple[int, int] | None) -> None:
    values = drawn(values)
    message = dict(values)
    if timeout is not None:
        message["timeout"] = {"seconds": timeout[0], "nanos": timeout[1] if timeout[0] >= 0 else -timeout[1]}
    answer = written(direct, "Services", "CreateApi", parent="services/shop", api_id="new", api=message)
    if answer is None:
        return
    api = load(direct.ini, {}).services["shop"].apis["new"]
    names = {"except": "exclude"}

    def read(name: str) -> Any:
        if name == "rpc":
            return f"{api.rpc_service}/{api.rpc_method}"
        value = getattr(api, names.get(name, name))
        return list(value) if isinstance(value, tuple) else value

    check(values, answer, read)
    if "body" in values:
        assert api.body == values["body"]
    if timeout is not None:
        assert (answer.timeout.seconds, answer.timeout.nanos) == timeout


BACKEND = {
    "protocol": TEXT,
    "targets": TEXTS,
    "load_balancing": TEXT,
    "server_name": TEXT,
    "max_in_flight": st.integers(-5, 2_000_000),
}


@USUAL
@given(
    near({"protocol": "grpc", "targets": ["localhost:1"]}, BACKEND)
    | near({"protocol": "https", "targets": ["https://localhost"]}, BACKEND)
)
def test_backends(direct: Direct, values: dict[str, Any]) -> None:
    values = drawn(values)
    answer = written(direct, "Backends", "CreateBackend", backend={"name": "backends/new", **values})
    if answer is None:
        return
    backend = load(direct.ini, {}).backends["new"]
    if not values.get("max_in_flight"):
        values.pop("max_in_flight", None)

    def read(name: str) -> Any:
        value = getattr(backend, name)
        return list(value) if name == "targets" else value.value if name == "protocol" else value

    check(values, answer, read)


@USUAL
@given(
    st.dictionaries(
        st.sampled_from(["unknown_fields", "enums_as_numbers", "proto", "type"]) | TEXT,
        st.sampled_from(["yes", "ignore"]) | TEXT,
        max_size=2,
    )
)
def test_plugin_options(direct: Direct, options: dict[str, str]) -> None:
    source = {"files": [{"path": "shop.proto", "content": PROTO}]}
    plugin = {"name": "plugins/new", "type": "backend-grpc", "options": options, "source": source}
    answer = written(direct, "Plugins", "CreatePlugin", plugin=plugin)
    if answer is not None:
        assert dict(answer.options) == options
        assert set(load(direct.ini, {}).plugins) == {"new"}


@USUAL
@given(
    st.dictionaries(
        st.sampled_from(["allow_origins", "allow_methods", "max_age", "allow_origin_regex"]), TEXT, max_size=4
    )
)
def test_cors_options(direct: Direct, options: dict[str, str]) -> None:
    answer = written(
        direct, "Plugins", "CreatePlugin", plugin={"name": "plugins/new", "type": "cors", "options": options}
    )
    if answer is not None:
        assert dict(answer.options) == options


@USUAL
@given(TEXT, TEXT, TEXT, TEXTS)
def test_bindings(direct: Direct, plugin: str, service: str, environment: str, apis: list[str]) -> None:
    binding = {"name": "bindings/new", "plugin": plugin, "service": service, "environment": environment, "apis": apis}
    answer = written(direct, "Bindings", "CreateBinding", binding=binding)
    if answer is not None:
        assert (answer.plugin, answer.service, answer.environment) == (plugin, service, environment)


@USUAL
@given(TEXT, TEXT)
def test_names(direct: Direct, name: str, path: str) -> None:
    """A name or a path leads nowhere but into the store's own folders."""
    assume(name)
    outside = set(os.listdir(direct.ini.parent)) - {"var"}
    source = {"files": [{"path": path, "content": PROTO}]}
    plugin = {"type": "backend-grpc", "source": source}
    answer = written(direct, "Plugins", "CreatePlugin", plugin_id=name, plugin=plugin)
    assert set(os.listdir(direct.ini.parent)) - {"var"} == outside
    if answer is not None:
        assert answer.name == f"plugins/{name}"
        assert (direct.state / "plugins" / name / "000001" / "files" / path).is_file()


def test_some_were_accepted() -> None:
    kinds = {"CreateService", "CreateEnvironment", "CreateApi", "CreateBackend", "CreatePlugin"}
    assert {kind for kind in kinds if ACCEPTED[kind] > 1} == kinds, ACCEPTED
