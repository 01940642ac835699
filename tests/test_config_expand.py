"""``${NAME}`` and ``${NAME:-default}``."""

from __future__ import annotations

import pytest
from config_case import MINIMAL, Folder

from twistedgw.config.expand import expand
from twistedgw.config.option import RefusedError

ENVIRON = {
    "HOST": "h",
    "EMPTY": "",
    "NESTED": "${HOST}",
    "LIST": "a, b",
    "LINES": "a\nb",
    "NUL": "\0",
    "BYTE": "\udcff",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${HOST}", "h"),
        ("a${HOST}:${HOST}b", "ah:hb"),
        ("${NOPE:-x y}", "x y"),
        ("${NOPE:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("${HOST:-x}", "h"),
        ("${NOPE:-a:-b$c}", "a:-b$c"),
        ("$HOST $ $$ {HOST} $", "$HOST $ $$ {HOST} $"),
        ("$${HOST}", "$h"),
        ("${NESTED}", "${HOST}"),
        ("${LIST}", "a, b"),
        ("${LINES}", "a\nb"),
    ],
)
def test_variables_are_expanded_once(text, expanded):
    assert expand(text, ENVIRON) == expanded


@pytest.mark.parametrize(
    "text", ["${", "${}", "${HOST", "${1X}", "${HOST-x}", "${HO ST}", "${NOPE:-${HOST}}", "a ${:-b}"]
)
def test_a_malformed_variable_is_refused(text):
    with pytest.raises(RefusedError, match="no variable"):
        expand(text, ENVIRON)


def test_a_missing_variable_is_named():
    with pytest.raises(RefusedError, match="NOPE, which is not set") as caught:
        expand("${NOPE}", ENVIRON)
    assert caught.value.hint == "set it, or write ${NOPE:-default}"


@pytest.mark.parametrize("name", ["NUL", "BYTE"])
def test_a_variable_that_is_no_text_is_refused_without_its_value(name):
    with pytest.raises(RefusedError, match=f"{name}, which holds characters that are no text"):
        expand(f"${{{name}}}", ENVIRON)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def test_values_are_expanded_before_they_are_converted(folder):
    config = folder.load(
        MINIMAL + "[gateway]\nthreads = 1${N}\nidle_timeout = ${T:-7s}\ntrusted_proxies = ${NETS}\n",
        N="6",
        NETS="10.0.0.0/8, 192.0.2.0/24",
    )
    assert (config.gateway.threads, config.gateway.idle_timeout) == (16, 7.0)
    assert config.gateway.trusted_proxies == ("10.0.0.0/8", "192.0.2.0/24")


def test_an_expanded_value_is_not_read_as_ini_again(folder):
    config = folder.load(MINIMAL + "[service:s]\ndescription = ${D}\n", D="a ; b # c\n[x]\ny = 1")
    assert config.services["s"].description == "a ; b # c [x] y = 1"
    assert list(config.services) == ["s"]


SECRETS = """
[gateway]
threads = ${SECRET}
bridge = ${SECRET}
trusted_proxies = 10.0.0.0/8, ${SECRET}
request_timeout = ${SECRET}
max_request_body = ${SECRET}
state_dir = ${SECRET}
include = ${SECRET}/x.ini
[listener:l]
endpoint = ${SECRET}
protocol = https
certificate = /${SECRET}
private_key = ${SECRET}
http2 = ${SECRET}
[service:s]
hosts = ${SECRET}
protocols = ${SECRET}
[environment:s/test]
prefix = ${SECRET}
backend = ${SECRET}
[backend:b]
protocol = ${SECRET}
target = ${SECRET}
[backend:g]
protocol = grpc
target = ${SECRET}
[backend:h]
protocol = https
target = ${SECRET}
server_name = ${SECRET}
[api:s/a]
method = ${SECRET}
path = ${SECRET}
rpc = ${SECRET}
body = ${SECRET}
timeout = ${SECRET}
backend = ${SECRET}
[api:s/b]
method = ${SECRET}
path = /
rpc = a.B/C
backend = g
[plugin:p]
type = ${SECRET}
proto = ${SECRET}
import_path = ${SECRET}
[plugin:q]
type = backend-grpc
reflection = ${SECRET}
[binding:b]
plugin = ${SECRET}
service = s
environment = ${SECRET}
apis = ${SECRET}
"""


@pytest.mark.parametrize("secret", ["hunter2 {", "15", "http2,hunter", "*.hunter*", "hunter:0", "http://hunter@x"])
def test_no_message_shows_what_came_from_the_environment(folder, secret):
    lines = folder.problems(SECRETS, SECRET=secret)
    assert len(lines) > 15
    assert any("'${SECRET}' is not" in line for line in lines)
    for part in ("hunter", "'15'", "write 15"):
        assert not [line for line in lines if part in line]
