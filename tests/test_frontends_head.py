"""Who is asking, and for which host."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedgw.frontends.head import read_head, split_authority

PROXIES = ipaddress.ip_network("10.0.0.0/8")


def trusts(address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in PROXIES
    except ValueError:
        return False


def head(
    *fields: tuple[bytes, bytes], peer: str = "10.0.0.1", authority: bytes | None = b"h", secure: bool = False
) -> Any:
    return read_head(b"GET", b"/", b"", fields, authority=authority, peer=peer, secure=secure, trusts=trusts)


@pytest.mark.parametrize(
    ("told", "client", "chain"),
    [
        ([], "10.0.0.1", "10.0.0.1"),
        ([b"1.1.1.1"], "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        ([b"6.6.6.6, 1.1.1.1"], "1.1.1.1", "6.6.6.6, 1.1.1.1, 10.0.0.1"),
        ([b"6.6.6.6", b"1.1.1.1,10.0.0.2"], "1.1.1.1", "6.6.6.6, 1.1.1.1, 10.0.0.2, 10.0.0.1"),
        ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
        ([b"unknown, 10.0.0.2"], "unknown", "unknown, 10.0.0.2, 10.0.0.1"),
        ([b" , ,"], "10.0.0.1", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_that_no_trusted_proxy_vouches_for(told: list[bytes], client: str, chain: str) -> None:
    made = head(*((b"x-forwarded-for", value) for value in told))
    assert (made.client, made.chain) == (client, chain)


def test_a_trusted_proxy_tells_host_and_protocol() -> None:
    fields = ((b"x-forwarded-host", b"a.example, B.example:8"), (b"x-forwarded-proto", b"http, HTTPS"))
    made = head(*fields)
    assert (made.host, made.authority, made.secure) == ("b.example", "B.example:8", True)
    assert not head((b"x-forwarded-proto", b"http"), secure=True).secure
    assert head((b"x-forwarded-host", b""), (b"x-forwarded-proto", b""), secure=True).secure


def test_nobody_else_does() -> None:
    names = (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")
    made = head(*((name, b"https") for name in names), peer="9.9.9.9")
    assert (made.client, made.chain, made.host, made.secure) == ("9.9.9.9", "9.9.9.9", "h", False)


@pytest.mark.parametrize("value", [b"id-1", b"x" * 128, b"!~"])
def test_a_well_formed_request_id_is_kept(value: bytes) -> None:
    assert head((b"x-request-id", value)).request_id == value.decode()


@pytest.mark.parametrize("value", [b"", b"x" * 129, b"a b", b"a\xe9", b"a\n", b"\x7f"])
def test_another_one_is_replaced(value: bytes) -> None:
    first, second = (head((b"x-request-id", value)).request_id for _ in range(2))
    assert len(first) == 32
    assert first != second


@pytest.mark.parametrize(
    ("authority", "parts"),
    [
        ("", ("", "")),
        ("Example.COM", ("example.com", "")),
        ("example.com.:80", ("example.com", "80")),
        ("[::1]:80", ("::1", "80")),
        ("[::1]", ("::1", "")),
        ("[::1", ("::1", "")),
        ("a:b:c", ("a", "b:c")),
    ],
)
def test_an_authority(authority: str, parts: tuple[str, str]) -> None:
    assert split_authority(authority) == parts


def test_no_host_at_all() -> None:
    assert (head(authority=None).host, head(authority=None).authority) == ("", "")


_NAMES = st.sampled_from([b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-request-id"])


@given(st.lists(st.tuples(_NAMES, st.binary(max_size=20))), st.binary(max_size=20))
def test_any_fields_make_a_head(fields: list[tuple[bytes, bytes]], authority: bytes) -> None:
    made = head(*fields, authority=authority)
    assert made.request_id.isascii()
    assert made.request_id.isprintable()
    assert made.chain.endswith("10.0.0.1")
    assert made.host == made.host.lower()
