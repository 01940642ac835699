"""Where requests meet the stages of bound plugins, whatever the wire format. Sans-I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.frontends.exchange import Reply
from twistedgw.registry.route import GrpcRoute
from twistedgw.transcoding.router import ANY_METHOD, MalformedPath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twistedgw.config.plugins.stage import Answer, Stage
    from twistedgw.frontends.exchange import Fields, Head
    from twistedgw.registry.route import Route, Stages
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.transcoding.router import Match

__all__ = ["amender", "enter", "is_preflight", "nearby_stages", "preflight"]


def is_preflight(head: Head) -> bool:
    """Whether a browser asks if it may send another request (Fetch, "CORS-preflight request")."""
    return (
        head.method == "OPTIONS"
        and head.text(b"origin") is not None
        and head.text(b"access-control-request-method") is not None
    )


def preflight(snapshot: Snapshot, head: Head) -> Reply | None:
    """Let the stages answer a preflight, by the route of the request that it asks about.

    Where the path has no such route, those of its other methods answer: they say which methods there are.

    Returns:
        None where no stage has an answer: then it is a request as any other.

    Raises:
        GatewayError: a stage refuses it.
    """
    routes = _with_connect_get(_routes(snapshot, head))
    wanted = head.text(b"access-control-request-method") or ""
    match = routes.get(wanted) or routes.get(ANY_METHOD)
    stages = match.target.stages if match is not None else _first(routes)
    for stage in stages:
        answer = stage.preflight(head, _methods(routes, stage, wanted))
        if answer is not None:
            return _reply(answer)
    return None


def enter(stages: Stages, head: Head) -> Reply | None:
    """Let the stages of a request's route look at it.

    Returns:
        an answer that stands in for the backend's; None to go on.

    Raises:
        GatewayError: a stage refuses the request.
    """
    for stage in stages:
        answer = stage.enter(head)
        if answer is not None:
            return _reply(answer)
    return None


def nearby_stages(snapshot: Snapshot, head: Head) -> Stages:
    """Give the stages of a path that has no route for the request's method, so that its error can be read too."""
    return _first(_routes(snapshot, head))


def amender(stages: Stages, head: Head) -> Callable[[Fields], Fields]:
    """Make what puts the stages' fields into a request's answer, the last stage's first: it is nearest to the call."""

    def amend(fields: Fields) -> Fields:
        for stage in reversed(stages):
            fields = stage.amend(head, fields)
        return fields

    return amend


def _routes(snapshot: Snapshot, head: Head) -> Mapping[str, Match[Route]]:
    try:
        return snapshot.matches(head.host, head.secure, head.path)
    except MalformedPath:
        return {}


def _with_connect_get(routes: Mapping[str, Match[Route]]) -> Mapping[str, Match[Route]]:
    """Add the GET by which Connect calls an RPC without side effects, where no rule has one."""
    match = routes.get("POST")
    if match is None or "GET" in routes or not isinstance(match.target, GrpcRoute):
        return routes
    route = match.target
    return {**routes, "GET": match} if route.is_procedure and route.without_side_effects else routes


def _first(routes: Mapping[str, Match[Route]]) -> Stages:
    return next((match.target.stages for match in routes.values() if match.target.stages), ())


def _methods(routes: Mapping[str, Match[Route]], stage: Stage, wanted: str) -> list[str]:
    names = {name for name, match in routes.items() if stage in match.target.stages}
    return sorted(wanted if name == ANY_METHOD else name for name in names)


def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, answer.fields, answer.body)
