"""Converters for hosts, networks and backend targets."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import idna

from twistedgw.config.option import Context, RefusedError, Type
from twistedgw.config.scalars import listing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HOSTS", "NETWORKS", "SERVER_NAME", "TARGETS", "grpc_target", "http_target"]

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NAME_FORM = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|xds):(.+)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PORT = re.compile(r"[0-9]{1,5}")
_URL = re.compile(r"[!-~]+")
_BRACKETED = re.compile(r"\[[^\]]*\](?::[0-9]*)?")


def _host(text: str, _: Context) -> str:
    wildcard, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if text == "*":
        raise RefusedError("is not a host", "leave hosts out for any host")
    if "*" in name:
        raise RefusedError("is not a host", "'*.' may stand at the front only")
    if not wildcard and _is_ipv6(name):
        return f"[{ipaddress.IPv6Address(name.strip('[]'))}]"
    if re.search(r":[0-9]*$", name):
        raise RefusedError("is not a host", "a host has no port here")
    return wildcard + _dns_name(name)


def _dns_name(text: str) -> str:
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(text, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise RefusedError("is not a host") from None
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise RefusedError("is not a host")
    return name


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return False
    return "%" not in text


def _server_name(text: str, context: Context) -> str:
    if text.startswith("*."):
        raise RefusedError("is not the name of one host")
    return _host(text, context)


def _network(text: str, _: Context) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        hint = f"write {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        hint = "write 10.0.0.0/8, 192.0.2.1 or fd00::/8"
    raise RefusedError("is not a network", hint)


def _target(text: str, _: Context) -> str:
    return text


def grpc_target(text: str, folder: Path) -> str:
    """Check one target of a gRPC backend: a gRPC name or ``host:port``.

    Args:
        text: as written.
        folder: what a relative ``unix:`` path starts from.

    Raises:
        RefusedError: where it is neither.
    """
    if not _URL.fullmatch(text):
        raise RefusedError("is not a gRPC target", "printable ASCII characters without spaces only", text)
    match = _NAME_FORM.fullmatch(text)
    if match and match[1] == "unix" and not match[2].startswith("/"):
        return f"unix:{folder / match[2]}"
    if match:
        return text
    if _SCHEME.match(text):
        raise RefusedError("is not a gRPC target", "write host:port, without a scheme", text)
    _check_address(text)
    return text


def _check_address(text: str) -> None:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise RefusedError("has no port", "write host:port", text)
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise RefusedError("is not host:port", "a port is a number from 1 to 65535", text)
    if host.startswith("["):
        if not _is_ipv6(host):
            raise RefusedError("is not host:port", "", text)
    elif ":" in host:
        raise RefusedError("is not host:port", "an IPv6 address stands in brackets: [::1]:50051", text)
    else:
        try:
            _dns_name(host)
        except RefusedError:
            raise RefusedError("is not host:port", "", text) from None


def http_target(text: str, scheme: str) -> str:
    """Check the URL of an HTTP backend.

    Returns:
        The URL without a slash at its end.

    Raises:
        RefusedError: where it is no URL of that scheme, or has a part that a base URL cannot have.
    """
    form = f"write {scheme}://HOST[:PORT][/PATH]"
    if not _URL.fullmatch(text):
        raise RefusedError("is not a URL", form, text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise RefusedError("is not a URL", form, text) from None
    if url.scheme != scheme or not text[len(scheme) :].startswith("://"):
        raise RefusedError(f"is not a URL that starts with {scheme}://", form, text)
    if "?" in text or "#" in text or "@" in url.netloc:
        raise RefusedError("has a query, a fragment or a user name, which a backend's URL cannot have", form, text)
    if port == 0 or url.netloc.endswith(":") or not _is_url_host(url.netloc, url.hostname):
        raise RefusedError("is not a URL", form, text)
    return text.rstrip("/")


def _is_url_host(netloc: str, hostname: str | None) -> bool:
    if netloc.startswith("["):
        return bool(_BRACKETED.fullmatch(netloc)) and _is_ipv6(hostname or "")
    try:
        _dns_name(hostname or "")
    except RefusedError:
        return False
    return True


HOSTS = listing(Type("host", _host), "list of hosts")
NETWORKS = listing(Type("network", _network), "list of networks")
SERVER_NAME = Type("host", _server_name)
TARGETS = listing(Type("target", _target), "list of gRPC targets, or one URL", takes_empty=False)
