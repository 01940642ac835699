"""TLS contexts of listeners, replaced on a reload without touching open connections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion
from zope.interface import implementer

from twistedgw.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.protocols.tls import TLSMemoryBIOProtocol

    from twistedgw.config.model import Listener

__all__ = ["CurrentTLS", "tls_options"]


@implementer(IOpenSSLServerConnectionCreator)
class CurrentTLS:
    """Gives each new connection the context of the moment.

    Attributes:
        options: may be replaced at any time; established connections keep theirs. Reactor thread only.
    """

    def __init__(self, options: CertificateOptions) -> None:
        self.options = options

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002
        """Make the OpenSSL side of a new connection (`IOpenSSLServerConnectionCreator`)."""
        return SSL.Connection(self.options.getContext(), None)


def tls_options(
    listener: Listener, protocols: Sequence[bytes], read: Callable[[Path], bytes] = Path.read_bytes
) -> CertificateOptions:
    """Read a listener's certificate, key and client CA into a context: TLS 1.2 at the least.

    Args:
        listener: one with TLS.
        protocols: what ALPN offers, best first.
        read: gives the content of a file, or raises OSError.

    Raises:
        ConfigError: a file cannot be read, is not PEM, or the key does not belong to the certificate. All at once.
    """
    files = _Files(listener, read)
    chain = files.certificates("certificate", listener.certificate)
    key = files.key("private_key", listener.private_key)
    clients = files.certificates("client_ca", listener.client_ca) if listener.client_ca else []
    if chain and key and _public(chain[0]) != _public(key):
        files.tell("private_key", "the key does not belong to the certificate")
    if files.problems:
        raise ConfigError(files.problems)
    demand: dict[str, Any] = {"verify": True, "caCerts": _openssl(clients), "requireCertificate": True}
    return CertificateOptions(
        privateKey=crypto.PKey.from_cryptography_key(key),
        certificate=crypto.X509.from_cryptography(chain[0]),
        extraCertChain=_openssl(chain[1:]),
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableProtocols=list(protocols),
        **(demand if clients else {}),
    )


class _Files:
    """Reads PEM files, and keeps what is wrong with them."""

    def __init__(self, listener: Listener, read: Callable[[Path], bytes]) -> None:
        self._listener = listener
        self._content = read
        self.problems: list[Problem] = []

    def tell(self, option: str, message: str) -> None:
        self.problems.append(self._listener.place.problem(option, message))

    def certificates(self, option: str, path: Path | None) -> list[x509.Certificate]:
        data = self._read(option, path)
        try:
            return x509.load_pem_x509_certificates(data) if data is not None else []
        except ValueError:
            self.tell(option, f"{path} holds no certificate in PEM form")
            return []

    def key(self, option: str, path: Path | None) -> Any:
        data = self._read(option, path)
        try:
            return load_pem_private_key(data, None) if data is not None else None
        except TypeError:
            self.tell(option, f"{path} is encrypted; the gateway has no passphrase for it")
        except ValueError:
            self.tell(option, f"{path} holds no private key in PEM form")
        return None

    def _read(self, option: str, path: Path | None) -> bytes | None:
        if path is None:
            self.tell(option, "a listener with protocol = https needs it")
            return None
        try:
            return self._content(path)
        except OSError as error:
            self.tell(option, f"{path} cannot be read: {error.strerror}")
            return None


def _openssl(certificates: Sequence[x509.Certificate]) -> list[crypto.X509]:
    return [crypto.X509.from_cryptography(each) for each in certificates]


def _public(owner: Any) -> bytes:
    key = owner.public_key()
    data: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data
