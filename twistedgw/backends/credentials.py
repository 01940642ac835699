"""The certificate files of a backend: read and checked when the configuration is, not at the first call."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from twistedgw.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from twistedgw.config.model import Backend

__all__ = ["Tls", "read_tls"]

SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS channel is made of, as PEM. Two are equal where the contents of their files are.

    Attributes:
        roots: the certificates a server's may be signed with; None for those that gRPC brings along.
        certificate: our own, with its chain; None for no client certificate.
        private_key: that of `certificate`.
    """

    roots: bytes | None = field(repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    private_key: bytes | None = field(default=None, repr=False)

    def credentials(self) -> grpc.ChannelCredentials:
        """Make gRPC's credentials. Not before a fork: this wakes gRPC's core."""
        return grpc.ssl_channel_credentials(self.roots, self.private_key, self.certificate)


def read_tls(backend: Backend, read: Callable[[Path], bytes] = Path.read_bytes) -> Tls:
    """Read and check the files that a ``grpcs`` backend names. Any thread.

    Args:
        backend: one with TLS.
        read: gives the content of a file, or raises OSError.

    Raises:
        ConfigError: with every file that cannot be read or used, and a key that is not the certificate's.
    """
    reading = _Reading(backend, read)
    roots = _system_roots(read) if backend.ca is None else reading.certificates("ca", backend.ca)
    certificate = reading.certificates("certificate", backend.certificate) if backend.certificate else None
    private_key = reading.private_key(backend.private_key) if backend.private_key else None
    reading.check_pair()
    if reading.problems:
        raise ConfigError(reading.problems)
    return Tls(roots, certificate, private_key)


class _Reading:
    """One pass over the files of a backend, collecting what is wrong with them."""

    def __init__(self, backend: Backend, read: Callable[[Path], bytes]) -> None:
        self.problems: list[Problem] = []
        self._backend = backend
        self._content = read
        self._public_keys: dict[str, bytes] = {}

    def certificates(self, option: str, path: Path) -> bytes:
        """Read a file of one or more certificates."""
        pem = self._read(option, path)
        if pem is not None:
            try:
                first = x509.load_pem_x509_certificates(pem)[0]
                self._public_keys[option] = _spki(first.public_key())
            except (ValueError, UnsupportedAlgorithm):
                self._wrong(option, f"{path} holds no usable certificate in PEM form")
        return pem or b""

    def private_key(self, path: Path) -> bytes:
        """Read a private key that needs no passphrase."""
        pem = self._read("private_key", path)
        if pem is not None:
            try:
                self._public_keys["private_key"] = _spki(load_pem_private_key(pem, None).public_key())
            except TypeError:
                self._wrong("private_key", f"{path} is encrypted; the gateway cannot ask for a passphrase")
            except (ValueError, UnsupportedAlgorithm):
                self._wrong("private_key", f"{path} holds no usable private key in PEM form")
        return pem or b""

    def check_pair(self) -> None:
        """Check that certificate and key come together, and belong together."""
        backend, keys = self._backend, self._public_keys
        if bool(backend.certificate) != bool(backend.private_key):
            there, missing = ("certificate", "private_key") if backend.certificate else ("private_key", "certificate")
            self._wrong(there, f"a {there} needs a {missing} as well")
        elif "certificate" in keys and "private_key" in keys and keys["certificate"] != keys["private_key"]:
            self._wrong("private_key", f"{backend.private_key} is not the key of {backend.certificate}")

    def _read(self, option: str, path: Path) -> bytes | None:
        try:
            return self._content(path)
        except OSError as error:
            self._wrong(option, f"cannot read {path}: {error.strerror or 'unknown error'}")
            return None

    def _wrong(self, option: str, message: str) -> None:
        self.problems.append(self._backend.place.problem(option, message))


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _system_roots(read: Callable[[Path], bytes]) -> bytes | None:
    """Give the system's root certificates; None where there are none, or where gRPC was told its own by environment."""
    if "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in os.environ:
        return None
    for name in (ssl.get_default_verify_paths().cafile, *SYSTEM_ROOTS):
        try:
            pem = read(Path(name)) if name else b""
        except OSError:
            continue
        if b"BEGIN CERTIFICATE" in pem:
            return pem
    return None
