"""Backends, as the API shows and changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.admin.changing import Kind, changed_fields, check_etag, given_fields, take
from twistedgw.admin.deletion import delete_backend
from twistedgw.admin.names import chosen_name, parts
from twistedgw.admin.paging import matching, page
from twistedgw.admin.refusal import invalid, missing
from twistedgw.schema.reading import UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from twistedgw.admin.changing import Draft
    from twistedgw.admin.core import Asked, Core
    from twistedgw.admin.view import View
    from twistedgw.config.model import Backend

__all__ = ["Backends", "backend_message"]

KIND = Kind(
    "backend",
    {
        "protocol": "protocol",
        "targets": "target",
        "load_balancing": "load_balancing",
        "max_in_flight": "max_in_flight",
        "server_name": "server_name",
        "ca": "ca",
        "certificate": "certificate",
        "private_key": "private_key",
    },
)
_PEM = ("ca", "certificate", "private_key")
_MAX_PEM = 1 << 20


def backend_message(view: View, name: str) -> Any:
    """Give a backend; what only the reactor knows (state, calls) is left out.

    Raises:
        RefusalError: there is none.
    """
    backend = view.config.backends.get(name)
    if backend is None:
        raise missing(f"backends/{name}")
    identity = view.snapshot.upstreams[name].identity
    message = view.types.Backend(
        name=f"backends/{name}",
        protocol=backend.protocol.value,
        targets=backend.targets,
        load_balancing=backend.load_balancing if backend.protocol.is_grpc else "",
        max_in_flight=backend.max_in_flight or 0,
        server_name=backend.server_name or "",
        ca=_pem(backend.ca),
        certificate=_pem(backend.certificate),
        used_by=view.backend_users.get(name, ()),
    )
    for option in _PEM:
        path = getattr(backend, option)
        if path is not None:
            setattr(message.tls_files, option, str(path))
    return view.dress(message, backend.place, backend, repr(identity))


def _pem(path: Path | None) -> str:
    """Give the text of a certificate file; nothing where it cannot be read now."""
    if path is None:
        return ""
    try:
        return read(str(path), _MAX_PEM).decode("utf-8", "replace")
    except UnreadableError:
        return ""


def _searched(backend: Backend) -> str:
    return " ".join([backend.name, backend.protocol.value, *backend.targets, backend.server_name or ""])


class Backends:
    """The methods of the service, by their names in the .proto."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def ListBackends(self, request: Any, _asked: Asked) -> Any:
        """List them, with the state of their channels."""

        def make(view: View) -> Any:
            found = matching(
                sorted(view.config.backends.values(), key=lambda each: each.name), request.filter, _searched
            )
            chosen, token = page(found, request, lambda each: each.name)
            messages = [backend_message(view, each.name) for each in chosen]
            return view.types.ListBackendsResponse(backends=messages, next_page_token=token, total_size=len(found))

        answer = await self._core.read(make)
        states = await self._core.backend_states()
        for message in answer.backends:
            _add_state(message, states)
        return answer

    async def GetBackend(self, request: Any, _asked: Asked) -> Any:
        """Give one."""
        (name,) = parts(request.name, "backends/*")
        answer = await self._core.read(lambda view: backend_message(view, name))
        _add_state(answer, await self._core.backend_states())
        return answer

    async def CreateBackend(self, request: Any, asked: Asked) -> Any:
        """Create one."""
        name = chosen_name(request.backend_id, request.backend.name, "backends", "backend_id")

        def plan(draft: Draft) -> None:
            draft.create(KIND, name, f"backends/{name}", name in draft.view.config.backends)
            _write(draft, name, request.backend, given_fields(request.backend, KIND))

        return await self._change(asked, request, name, plan)

    async def UpdateBackend(self, request: Any, asked: Asked) -> Any:
        """Change one."""
        (name,) = parts(request.backend.name, "backends/*", "backend.name")

        def plan(draft: Draft) -> None:
            check_etag(backend_message(draft.view, name), request.backend.etag)
            draft.update(KIND, name, draft.view.config.backends[name].place)
            _write(draft, name, request.backend, changed_fields(request.update_mask, request.backend, KIND))

        return await self._change(asked, request, name, plan)

    async def _change(self, asked: Asked, request: Any, name: str, plan: Callable[[Draft], None]) -> Any:
        answer = await self._core.change(
            asked, request, f"backends/{name}", plan, lambda view: backend_message(view, name)
        )
        _add_state(answer, await self._core.backend_states())
        return answer

    async def DeleteBackend(self, request: Any, asked: Asked) -> Any:
        """Delete one."""
        (name,) = parts(request.name, "backends/*")

        def plan(draft: Draft) -> None:
            check_etag(backend_message(draft.view, name), request.etag)
            delete_backend(draft, name, force=request.force)

        return await self._core.change(asked, request, f"backends/{name}", plan, None)


def _add_state(message: Any, states: Mapping[str, tuple[str, int]]) -> None:
    known = states.get(message.name.rpartition("/")[2])
    if known is not None:
        message.state, message.in_flight = known


def _write(draft: Draft, name: str, wanted: Any, fields: list[str]) -> None:
    """Put fields of the message into the draft's section; PEM texts become files of a new version."""
    section = KIND.section(name)
    for field in fields:
        if field in _PEM:
            continue
        value = getattr(wanted, field)
        take(draft, section, KIND.options[field], f"backend.{field}", value or None)
    if any(field in _PEM for field in fields):
        _write_pem(draft, name, section, wanted, [field for field in fields if field in _PEM])
    draft.expect(lambda view: backend_message(view, name), wanted, [f for f in fields if f != "private_key"], "backend")


def _write_pem(draft: Draft, name: str, section: str, wanted: Any, fields: list[str]) -> None:
    texts = draft.files_of("backend", name)
    for field in fields:
        text = getattr(wanted, field)
        if len(text) > _MAX_PEM:
            raise invalid(f"backend.{field}", f"has more than {_MAX_PEM:,} characters")
        texts.pop(f"{field}.pem", None)
        if text:
            texts[f"{field}.pem"] = text.encode("utf-8")
    base = draft.add_files("backend", name, texts) if texts else ""
    for field in _PEM:
        path = f"{base}/{field}.pem" if f"{field}.pem" in texts else None
        if path is None and field not in fields and draft.option(section, field):
            continue
        take(draft, section, field, f"backend.{field}", path)
