"""Plugins from uploads: forms, zips, descriptor sets; and all that somebody may hide in them."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from admin_site import SHOP, AdminCase
from grpc_backend import compile_proto

from twistedgw.admin.refusal import RefusalError
from twistedgw.admin.sources import chosen_roots
from twistedgw.admin.uploads import uploaded_source

TYPES = 'syntax = "proto3";\npackage shop.v1;\nmessage Money { int64 cents = 1; }\n'
USES_TYPES = 'syntax = "proto3";\npackage shop.v1;\nimport "shop/v1/types.proto";\nservice Till { rpc Pay(Money) returns (Money); }\n'


def form(*parts: tuple[str, bytes], boundary: str = "xyz") -> tuple[bytes, str]:
    """Give a form with files, and its content type."""
    lines = b""
    for name, data in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        lines += head.encode() + data + b"\r\n"
    return lines + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


class UploadTests(AdminCase):
    async def send(self, target: str, data: bytes, content_type: str) -> Any:
        return await self.api("POST", target, data, headers={"Content-Type": content_type})

    async def test_form_with_several_files(self) -> None:
        data, content_type = form(("shop/v1/types.proto", TYPES.encode()), ("shop/v1/till.proto", USES_TYPES.encode()))
        answer = await self.send("/v1/plugins:import?plugin_id=till&options[unknown_fields]=ignore", data, content_type)
        assert answer.status == 200, answer.body
        assert answer.json["services"] == ["shop.v1.Till"]
        assert answer.json["options"] == {"unknown_fields": "ignore"}
        assert [each["path"] for each in answer.json["source"]["files"]] == [
            "shop/v1/till.proto",
            "shop/v1/types.proto",
        ]

    async def test_one_file(self) -> None:
        answer = await self.send("/v1/plugins:import?plugin_id=shop&path=my/shop.proto", SHOP.encode(), "text/plain")
        assert answer.json["source"]["files"][0]["path"] == "my/shop.proto"
        answer = await self.send("/v1/plugins:import?plugin_id=two", SHOP.encode(), "text/plain; charset=utf-8")
        assert answer.json["source"]["files"][0]["path"] == "two.proto"
        answer = await self.send("/v1/plugins:import?plugin_id=three", b"\xff", "text/plain")
        assert (answer.status, answer.reason) == (400, "DESCRIPTION_INVALID")
        assert "is not UTF-8" in answer.json["message"]

    async def test_zip_of_a_folder(self) -> None:
        """The folder that imports start from is found, or named."""
        data = zipped(
            ("project/README.md", "x" * 100),
            ("project/protos/shop/v1/types.proto", TYPES),
            ("project/protos/shop/v1/till.proto", USES_TYPES),
            ("__MACOSX/project/._till.proto", b"\0rubbish"),
        )
        answer = await self.send("/v1/plugins:import?plugin_id=till", data, "application/zip")
        assert answer.status == 200, answer.body
        assert answer.json["services"] == ["shop.v1.Till"]
        assert answer.json["source"]["importRoot"] == "project/protos"
        for root, status in (("project/protos", 200), ("project", 400), ("nowhere", 400)):
            target = f"/v1/plugins/till:import?validate_only=true&import_root={root}"
            answer = await self.send(target, data, "application/zip")
            assert answer.status == status, answer.body
        broken = zipped(("a/b/till.proto", USES_TYPES))
        answer = await self.send("/v1/plugins/till:import", broken, "application/zip")
        assert answer.reason == "DESCRIPTION_INVALID"
        assert answer.json["message"].startswith('a/b/till.proto:3:1: cannot import "shop/v1/types.proto"')

    async def test_descriptor_set(self) -> None:
        (self.folder / "make").mkdir()
        schema = compile_proto(SHOP, self.folder / "make", "shop.proto")
        data = schema.parts().file_set
        answer = await self.send("/v1/plugins:import?plugin_id=shop", data, "application/octet-stream")
        assert answer.status == 200, answer.body
        assert answer.json["source"]["kind"] == "descriptor_set"
        assert answer.json["services"] == ["shop.v1.Shop"]
        body, content_type = form(("shop.binpb", data))
        answer = await self.send("/v1/plugins/shop:import", body, content_type)
        assert (answer.status, answer.json["version"]) == (200, 2)
        answer = await self.send("/v1/plugins:import?plugin_id=bad", b"nonsense", "application/octet-stream")
        assert answer.reason == "DESCRIPTION_INVALID"
        assert "is not a binary FileDescriptorSet" in answer.json["message"]

    async def test_too_large(self) -> None:
        exact = b'syntax = "proto3";\n//'.ljust(1_048_576, b"x")
        answer = await self.send("/v1/plugins:import?plugin_id=a&validate_only=true", exact, "text/plain")
        assert answer.status == 200, answer.body
        answer = await self.send("/v1/plugins:import?plugin_id=a", exact + b"x", "text/plain")
        assert (answer.status, answer.reason) == (400, "FILE_TOO_LARGE")
        answer = await self.send("/v1/plugins:import?plugin_id=a", b"x" * ((32 << 20) + 1), "text/plain")
        assert (answer.status, answer.reason) == (413, "REQUEST_TOO_LARGE")

    async def test_version(self) -> None:
        await self.make_shop()
        answer = await self.send("/v1/plugins/shop:import?comment=upload", (SHOP + "// more\n").encode(), "text/plain")
        assert (answer.status, answer.json["version"]) == (200, 2)
        etag = answer.json["etag"]
        answer = await self.send("/v1/plugins/shop:import?etag=old", SHOP.encode(), "text/plain")
        assert answer.status == 409
        answer = await self.send(f"/v1/plugins/shop:import?etag={etag}", SHOP.encode(), "text/plain")
        assert answer.status == 200


# -- without a gateway


class Content:
    def __init__(self, content_type: str, data: bytes) -> None:
        self.content_type = content_type
        self.data = data


def refused(content_type: str, data: bytes, path: str = "a.proto", root: str = "") -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        uploaded_source(Content(content_type, data), path, root)
    return caught.value


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: zipped(("../evil.proto", "")), "is not a relative path"),
        (lambda: zipped(("/etc/evil.proto", "")), "is not a relative path"),
        (lambda: zipped(("a/../../evil.proto", "")), "is not a relative path"),
        (lambda: zipped(("a\\..\\evil.proto", "")), "cannot have"),
        (lambda: zipped((link("a.proto"), "/etc/passwd")), "is a link"),
        (lambda: zipped(("a.proto", ""), ("a.proto/b.proto", "")), "is a file and a folder"),
        (lambda: zipped(("readme.txt", "")), "no .proto file"),
        (lambda: zipped(("a.proto", "x" * 1_048_577)), "1,048,577 bytes"),
        (lambda: zipped(("a.proto", b"\0" * 40_000_000)), "1,048,577 bytes"),
        (lambda: zipped(*((f"{number}.proto", b" " * 1_048_576) for number in range(65))), "more than 67,108,864 bytes"),
        (lambda: zipped(*((f"{number}.proto", "") for number in range(1001))), "more than 1,000 files"),
        (lambda: zipped(*((f"{number}.txt", "") for number in range(10_001))), "more than 10,000 entries"),
        (lambda: zipped(("a.proto", SHOP))[:-30], "damaged"),
        (lambda: b"PK nothing", "damaged"),
    ],
)  # fmt: skip
def test_hostile_zips(data: Callable[[], bytes], message: str) -> None:
    assert message in refused("application/zip", data()).message


def test_damaged_zip_of_every_kind() -> None:
    """Whatever byte is damaged: a refusal, or what was meant; never another error."""
    data = bytearray(zipped(("a.proto", SHOP)))
    for place in range(len(data)):
        damaged = bytes(data[:place]) + bytes([data[place] ^ 0xFF]) + bytes(data[place + 1 :])
        try:
            uploaded_source(Content("application/zip", damaged), "a.proto", "")
        except RefusalError:
            continue


@pytest.mark.parametrize(
    ("content_type", "data", "message"),
    [
        ("text/plain", b"", "is empty"),
        ("image/png", b"x", "is not taken here"),
        ("multipart/form-data", b"x", "malformed"),
        ("multipart/form-data; boundary=xyz", b"x", "malformed"),
        ("multipart/form-data; boundary=xyz", form(("a.txt", b""))[0], "is not the path of a .proto file"),
        ("multipart/form-data; boundary=xyz", form(("../../a.proto", b""))[0], "is not a relative path"),
        ("multipart/form-data; boundary=xyz", form(("a.proto", b""), ("a.proto", b""))[0], "is there twice"),
        ("multipart/form-data; boundary=xyz", form(("a.zip", b"x"))[0], "damaged"),
        ("multipart/form-data; boundary=xyz", b"--xyz--\r\n", "no .proto file"),
    ],
)
def test_hostile_uploads(content_type: str, data: bytes, message: str) -> None:
    assert message in refused(content_type, data).message


@pytest.mark.parametrize(
    "path",
    [
        "../a.proto",
        "a;b.proto ; x",
        "a\nb.proto",
        "x" * 201 + ".proto",
        "/".join(["ab"] * 400) + ".proto",
        "${HOME}.proto",
        "a #b.proto",
        " a.proto",
    ],
)
def test_hostile_paths(path: str) -> None:
    assert refused("text/plain", b"x", path=path).reason == "INVALID_PATH"


def test_roots() -> None:
    """The fewest folders from which imports work; bundled files are always there."""
    a, b = b'import "x/b.proto"; import "google/protobuf/any.proto";', b""
    assert chosen_roots({"a.proto": a, "x/b.proto": b}, "", "f") == ("",)
    assert chosen_roots({"p/a.proto": a, "p/x/b.proto": b}, "", "f") == ("p",)
    assert chosen_roots({"p/a.proto": a, "lib/x/b.proto": b}, "", "f") == ("lib",)
    two = b'import "x/b.proto"; import "y/c.proto";'
    assert chosen_roots({"p/a.proto": two, "one/x/b.proto": b, "two/y/c.proto": b}, "", "f") == ("one", "two")
    assert chosen_roots({"p/q/a.proto": b}, "", "f") == ("",)
    assert chosen_roots({"p/a.proto": a, "q/b.proto": b}, "q, p/", "f") == ("q", "p")
    assert chosen_roots({"p/a.proto": a}, ".", "f") == ("",)
