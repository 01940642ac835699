"""`grpcgw explain` and the warnings of `grpcgw check`: what they print, and how they end."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from grpc_backend import ECHO_PROTO
from small_snapshots import ECHO, WEB

from twistedgw.cli import main

if TYPE_CHECKING:
    from pathlib import Path

Output = pytest.CaptureFixture[str]


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> str:
    (tmp_path / "echo.proto").write_text(ECHO_PROTO)
    (tmp_path / "g.ini").write_text(ECHO)
    return str(tmp_path / "g.ini")


def usage_error(capsys: Output, *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["explain", *arguments])
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert not shown.out
    return shown.err


# -- explain


def test_request_that_would_be_sent(config: str, capsys: Output) -> None:
    assert main(["explain", "-c", config, "GET", "/v1/say/x?big=5", "-H", "X-Trace: t", "-H", "x-request-id:r"]) == 0
    shown = capsys.readouterr()
    assert not shown.err
    lines = shown.out.splitlines()
    assert lines[:3] == ["GET /v1/say/x?big=5", "route      GET /v1/say/{text}", "RPC        echo.v1.Echo/Say"]
    assert {"metadata   x-trace: t", "metadata   x-request-id: r", '    "big": "5"'} <= set(lines)


def test_request_that_would_be_refused(config: str, capsys: Output) -> None:
    assert main(["explain", "--config", config, "GET", "/v1/say/x?big=y"]) == 1
    shown = capsys.readouterr()
    assert not shown.err
    assert "refused    400 Bad Request" in shown.out


def test_json(config: str, capsys: Output) -> None:
    assert main(["explain", "-c", config, "--json", "POST", "/v1/say", "-d", '{"text": "x"}']) == 0
    assert json.loads(capsys.readouterr().out)["outgoing"]["message"] == {"text": "x"}
    assert main(["explain", "-c", config, "--json", "GET", "/nowhere"]) == 1
    assert json.loads(capsys.readouterr().out)["refusal"]["status"] == 404


def sent(config: str, capsys: Output, *arguments: str) -> object:
    assert main(["explain", "-c", config, "--json", "POST", "/v1/say", *arguments]) == 0
    return json.loads(capsys.readouterr().out)["outgoing"]["message"]


def test_body_from_a_file(config: str, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "body").write_bytes('{"text": "é"}\n'.encode())
    assert sent(config, capsys, "-d", f"@{tmp_path}/body") == {"text": "é"}


def test_body_from_standard_input(config: str, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"big": "1"}')))
    assert sent(config, capsys, "--data", "@-") == {"big": "1"}


def test_form_in_pieces(config: str, capsys: Output) -> None:
    form = ("-H", "Content-Type: application/x-www-form-urlencoded")
    assert sent(config, capsys, *form, "-d", "text=a", "-d", "big=1") == {"text": "a", "big": "1"}


def test_host_header(tmp_path: Path, config: str, capsys: Output) -> None:
    (tmp_path / "g.ini").write_text(ECHO.replace("[service:s]\n", "[service:s]\nhosts = a.example.com\n"))
    assert main(["explain", "-c", config, "GET", "/v1/say/x"]) == 1
    assert "elsewhere  it is served at http://a.example.com\n" in capsys.readouterr().out
    assert main(["explain", "-c", config, "GET", "/v1/say/x", "-H", "Host: a.example.com"]) == 0


def test_the_demo(capsys: Output) -> None:
    assert main(["explain", "GET", "http://127.0.0.1:8080/v1/shelves/1/books?page_size=2"]) == 0
    assert "RPC        bookstore.v1.Bookstore/ListBooks\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["GET"], "the following arguments are required: URL"),
        (["GET", "localhost/x"], "'localhost/x' is not a URL"),
        (["G T", "/x"], "'G T' is not an HTTP method"),
        (["GET", "/x", "-H", "nonsense"], "expected 'NAME: VALUE', got 'nonsense'"),
        (["GET", "/x", "-d", "@/no/such/file"], "/no/such/file cannot be read: No such file or directory"),
    ],
)
def test_wrong_command_line(config: str, capsys: Output, arguments: list[str], why: str) -> None:
    assert why in usage_error(capsys, "-c", config, *arguments)


def test_wrong_configuration(config: str, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "g.ini").write_text(ECHO.replace("Echo/*", "Ecko/*"))
    assert main(["explain", "-c", config, "GET", "/v1/say/x"]) == 1
    shown = capsys.readouterr()
    assert not shown.out
    assert "defines no service echo.v1.Ecko" in shown.err


# -- check


def test_check_without_warnings(config: str, capsys: Output) -> None:
    assert main(["check", "--strict", "-c", config]) == 0
    assert capsys.readouterr().out.startswith(f"{config}: no problems; ")


def test_check_with_warnings(config: str, tmp_path: Path, capsys: Output) -> None:
    """They come before the last line, which counts them; only --strict makes them count."""
    (tmp_path / "g.ini").write_text(ECHO + WEB)
    assert main(["check", "-c", config]) == 0
    warning, summary = capsys.readouterr().out.splitlines()
    assert warning == f"warning: {config}:18: [backend:web]: is used by no API, no environment and no plugin"
    assert summary.startswith(f"{config}: no problems, 1 warning; ")
    assert main(["check", "-c", config, "--strict"]) == 1
    (tmp_path / "g.ini").write_text(ECHO + WEB + WEB.replace(":web", ":more"))
    main(["check", "-c", config])
    assert ": no problems, 2 warnings; " in capsys.readouterr().out


def test_check_of_the_demo(capsys: Output) -> None:
    assert main(["check"]) == 0
    (summary,) = capsys.readouterr().out.splitlines()
    assert summary.startswith("the embedded demo: no problems; ")
