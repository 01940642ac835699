"""Certificate files are checked when the configuration is read, and every problem names file, section and option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trustme
from bridge_servers import backend, write_pem
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import reactor

from twistedgw.backends.bridges import make_bridge
from twistedgw.backends.channel import open_channel
from twistedgw.backends.credentials import read_tls
from twistedgw.config.model import Bridge, Protocol
from twistedgw.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = trustme.CA()
CLIENT = AUTHORITY.issue_cert("gateway@books.internal")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        "ca": write_pem(tmp_path, "ca.pem", AUTHORITY.cert_pem),
        "certificate": write_pem(tmp_path, "client.pem", *CLIENT.cert_chain_pems),
        "private_key": write_pem(tmp_path, "client.key", CLIENT.private_key_pem),
    }


def problems(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_tls(backend("a:1", protocol=Protocol.GRPCS, **changes))
    return [str(problem) for problem in caught.value.problems]


def test_good(files: dict[str, Path]) -> None:
    tls = read_tls(backend("a:1", protocol=Protocol.GRPCS, **files))
    assert tls.roots == files["ca"].read_bytes()
    assert tls.certificate == files["certificate"].read_bytes()
    assert tls.private_key == files["private_key"].read_bytes()


def test_missing_files(files: dict[str, Path], tmp_path: Path) -> None:
    """All that cannot be read is told at once, each with its line."""
    missing = {option: tmp_path / f"no-{option}.pem" for option in files}
    assert problems(**missing) == [
        f"grpcgw.ini:{line}: [backend:echo] {option}: cannot read {missing[option]}: No such file or directory"
        for option, line in (("ca", 9), ("certificate", 10), ("private_key", 11))
    ]


def test_folder_in_place_of_a_file(files: dict[str, Path], tmp_path: Path) -> None:
    assert problems(**files | {"ca": tmp_path}) == [
        f"grpcgw.ini:9: [backend:echo] ca: cannot read {tmp_path}: Is a directory"
    ]


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff\xfe"]
)
def test_not_a_certificate(files: dict[str, Path], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.pem"
    path.write_bytes(content)
    assert problems(**files | {"ca": path}) == [
        f"grpcgw.ini:9: [backend:echo] ca: {path} holds no usable certificate in PEM form"
    ]
    assert problems(**files | {"certificate": path}) == [
        f"grpcgw.ini:10: [backend:echo] certificate: {path} holds no usable certificate in PEM form"
    ]


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_not_a_key(files: dict[str, Path], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.key"
    path.write_bytes(content)
    assert problems(**files | {"private_key": path}) == [
        f"grpcgw.ini:11: [backend:echo] private_key: {path} holds no usable private key in PEM form"
    ]


def test_certificate_and_key_exchanged(files: dict[str, Path]) -> None:
    exchanged = {"certificate": files["private_key"], "private_key": files["certificate"]}
    assert len(problems(**files | exchanged)) == 2


def test_encrypted_key(files: dict[str, Path], tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "encrypted.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert problems(**files | {"private_key": path}) == [
        f"grpcgw.ini:11: [backend:echo] private_key: {path} is encrypted; the gateway cannot ask for a passphrase"
    ]


def test_key_of_another_certificate(files: dict[str, Path], tmp_path: Path) -> None:
    other = write_pem(tmp_path, "other.key", AUTHORITY.issue_cert("other@books.internal").private_key_pem)
    assert problems(**files | {"private_key": other}) == [
        f"grpcgw.ini:11: [backend:echo] private_key: {other} is not the key of {files['certificate']}"
    ]


def test_one_without_the_other(files: dict[str, Path]) -> None:
    assert problems(**files | {"private_key": None}) == [
        "grpcgw.ini:10: [backend:echo] certificate: a certificate needs a private_key as well"
    ]
    assert problems(**files | {"certificate": None}) == [
        "grpcgw.ini:11: [backend:echo] private_key: a private_key needs a certificate as well"
    ]


def test_roots_named_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC's own variable for the system's roots goes on working."""
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/etc/own.pem")
    assert read_tls(backend("a:1", protocol=Protocol.GRPCS)).roots is None


def test_roots_of_the_system(monkeypatch: pytest.MonkeyPatch, files: dict[str, Path]) -> None:
    """Without `ca` it is the system's roots; where there are none, those that gRPC brings along."""
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(files["ca"]))
    assert read_tls(backend("a:1", protocol=Protocol.GRPCS)).roots == files["ca"].read_bytes()
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setattr("twistedgw.backends.credentials.SYSTEM_ROOTS", ("/nowhere/either",))
    assert read_tls(backend("a:1", protocol=Protocol.GRPCS)).roots is None


@pytest.mark.parametrize("kind", [Bridge.ASYNCIO, Bridge.THREAD])
def test_at_configuration_time(kind: Bridge, files: dict[str, Path], tmp_path: Path) -> None:
    """A bridge refuses to make the upstream: nobody has to call first."""
    bridge = make_bridge(kind, threads=1, max_in_flight=1, max_response_message=1, reactor=reactor)
    wrong = backend("a:1", protocol=Protocol.GRPCS, ca=tmp_path / "missing.pem")
    with pytest.raises(ConfigError):
        bridge.upstream(wrong)
    with pytest.raises(ConfigError):
        open_channel(wrong)
    bridge.upstream(backend("a:1", protocol=Protocol.GRPCS, **files))
