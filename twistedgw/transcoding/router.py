"""The router: which template takes a path, and what its variables hold.

What is matched is the raw path, percent-encoded and without the query. It is cut at each ``/`` into segments; ``/``
alone has none, and ``/a/`` has two of which the second is empty, so that a trailing slash is significant. Then:

- A literal equals the decoded segment, case-sensitive. ``%2F`` is never a separator, and ``%3A`` never starts a verb.
- ``*`` takes one segment that is not empty. (A client that expands an empty value builds a path that means another
  resource, or none; it is not let through.)
- ``**`` takes all that is left, from zero segments on, empty ones included: for ``/v1/{name=**}`` the paths ``/v1``
  and ``/v1/`` both bind the empty text, ``/v1/a/`` binds ``a/``, and ``/v1//a`` binds ``/a``.
- The text after the last ``:`` of the last segment is a verb if a template with that verb takes the path; otherwise it
  is a part of the segment. So templates with the verb come before all without one.
- Among templates that take the path the choice is made segment by segment from the left: a literal before ``*``, the
  end of the template before ``**``, ``*`` before ``**``.
- The method decides with the path, not after it: a template without the request's method is passed over for the next
  best. Of one shape, a target of the exact method comes before one of any method (``*``).

Each node of the trie is visited at most once in a search, and only ``*`` beside a matching literal is a fork: the cost
is that of the template's own segments, whatever the number of templates or the length of the path. At the very
worst, with templates that hold all mixtures of literals and wildcards, it is the number of templates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from twistedgw.transcoding import nearmiss
from twistedgw.transcoding.percent import MalformedPath, decode, decode_all_but_slash
from twistedgw.transcoding.template import Literal, Single, Template, Variable

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

__all__ = ["ANY_METHOD", "MalformedPath", "Match", "MethodNotAllowed", "NoRoute", "Router", "RouterBuilder"]

T = TypeVar("T")

ANY_METHOD = "*"
"""The method of a target that answers each method for which its path has no other."""


class NoRoute(LookupError):  # noqa: N818
    """No template takes the path: 404."""

    def __init__(self) -> None:
        super().__init__("no route takes this path")


class MethodNotAllowed(LookupError):  # noqa: N818
    """There are templates that take the path, none of them with this method: 405.

    Attributes:
        allowed: the methods of all of them, sorted.
    """

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"this path has no route for the method; it has {', '.join(allowed)}")
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """What the router found.

    Attributes:
        target: as given to `RouterBuilder.add`.
        values: the decoded text of each variable, in the order of `Template.variables`.
    """

    target: T
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    method: str
    template: Template
    target: T
    constant: Match[T] | None
    """The match, if the template has no variables."""

    @classmethod
    def of(cls, method: str, template: Template, target: T) -> _Entry[T]:
        return cls(method, template, target, None if template.variables else Match(target))

    def match(self, segments: list[str], raw: list[bytes] | None) -> Match[T]:
        """Give the match of a path that the template takes."""
        return self.constant or Match(self.target, _values(self.template.variables, segments, raw))


_Leaf = dict[str, _Entry[T]]
"""What there is at one place of the trie, by method."""


@dataclass(slots=True)
class _Node(Generic[T]):
    depth: int
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    single: _Node[T] | None = None
    rest: _Leaf[T] | None = None
    end: _Leaf[T] | None = None


class _Trie(Generic[T]):
    """All templates of one verb."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node(0)
        self.depth = 0

    def leaf(self, template: Template) -> _Leaf[T]:
        """Give the place of the template's shape, made if missing."""
        node = self._root
        for part in template.segments:
            if isinstance(part, Literal):
                node = node.literals.setdefault(part.text, _Node(node.depth + 1))
            elif isinstance(part, Single):
                node.single = node = node.single or _Node(node.depth + 1)
            else:
                node.rest = leaf = {} if node.rest is None else node.rest
                return leaf
            self.depth = max(self.depth, node.depth)
        node.end = {} if node.end is None else node.end
        return node.end

    def leaves(self, segments: list[str]) -> Iterator[_Leaf[T]]:
        """Give the places that take these segments, best first."""
        count = len(segments)
        waiting: list[_Node[T] | _Leaf[T]] = [self._root]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                yield item
                continue
            node: _Node[T] | None = item
            while node is not None:
                if node.rest is not None:
                    waiting.append(node.rest)
                if node.depth == count:
                    if node.end is not None:
                        yield node.end
                    break
                segment = segments[node.depth]
                child = node.literals.get(segment)
                if node.single is not None and segment:
                    if child is None:
                        child = node.single
                    else:
                        waiting.append(node.single)
                node = child


class RouterBuilder(Generic[T]):
    """Collects templates and their targets; `build` makes a router of them, as often as wanted."""

    def __init__(self) -> None:
        self._entries: dict[tuple[Hashable, str], _Entry[T]] = {}

    def add(self, method: str, template: Template, target: T) -> T | None:
        """Add a target, unless there is one of the same method and shape.

        Args:
            method: as requests spell it, or ``*`` for any.
            template: the paths.
            target: what `Match.target` will be.

        Returns:
            The target that is there already, and stays; None where there was none.
        """
        entry = _Entry.of(method, template, target)
        kept = self._entries.setdefault((template.shape, method), entry)
        return None if kept is entry else kept.target

    def replace(self, method: str, template: Template, target: T) -> None:
        """Add a target in place of the one of the same method and shape, if there is one."""
        self._entries[template.shape, method] = _Entry.of(method, template, target)

    def build(self) -> Router[T]:
        """Make a router of what was added so far; later additions do not reach it."""
        return Router(self._entries.values())


class Router(Generic[T]):
    """Finds the target of a method and path. Immutable, so any thread may use it; `RouterBuilder` makes it."""

    def __init__(self, entries: Iterable[_Entry[T]]) -> None:
        self._entries = tuple(entries)
        self._plain: _Trie[T] = _Trie()
        self._verbs: dict[str, _Trie[T]] = {}
        self._exact: dict[bytes, _Leaf[T]] = {}
        for entry in self._entries:
            verb = entry.template.verb
            leaf = (self._plain if verb is None else self._verbs.setdefault(verb, _Trie())).leaf(entry.template)
            leaf[entry.method] = entry
            exact = _exact_path(entry.template)
            if exact is not None:
                self._exact[exact] = leaf

    def match(self, method: str, path: bytes) -> Match[T]:
        """Find the target.

        Args:
            method: of the request.
            path: raw, without the query. Octets that are not ASCII are taken where they are valid UTF-8.

        Raises:
            MalformedPath: the path does not start with ``/``, or cannot be decoded. Comes before the other two.
            NoRoute: no template takes the path.
            MethodNotAllowed: some do, but not with this method.
        """
        leaf = self._exact.get(path)
        if leaf is not None:
            entry = leaf.get(method) or leaf.get(ANY_METHOD)
            if entry is not None and entry.constant is not None:
                return entry.constant
        return self._find(method, path)[1]

    def matches(self, path: bytes) -> dict[str, Match[T]]:
        """Find what each method of a path leads to; ``*`` stands for all methods that are not named.

        Returns:
            an empty dict where no template takes the path.

        Raises:
            MalformedPath: as `match`.
        """
        if not path.startswith(b"/"):
            raise MalformedPath("the path does not start with '/'")
        tries = [(self._plain, path)]
        stem, verb = _cut(path)
        if verb in self._verbs:
            tries.insert(0, (self._verbs[verb], stem))
        found: dict[str, Match[T]] = {}
        for trie, each in tries:
            segments, raw = _split(each, trie.depth)
            for leaf in trie.leaves(segments):
                for method, entry in leaf.items():
                    found.setdefault(method, entry.match(segments, raw))
                if ANY_METHOD in leaf:
                    return found
        return found

    def near_misses(self, method: str, path: bytes) -> list[tuple[T, str]]:
        """Tell of the templates that were not chosen, closest first and five at most, why they were not.

        A target that was added with several methods counts once. This looks at every template; it is for people, not
        for requests.

        Raises:
            MalformedPath: as `match`.
        """
        try:
            chosen: _Entry[T] | None = self._find(method, path)[0]
        except LookupError:
            chosen = None
        others: dict[tuple[int, Template], tuple[T, list[str]]] = {}
        for entry in self._entries:
            others.setdefault((id(entry.target), entry.template), (entry.target, []))[1].append(entry.method)
        if chosen is not None:
            del others[id(chosen.target), chosen.template]
        plain = _split(path, -1)[0]
        stem, verb = _cut(path)
        found = nearmiss.closest(
            [(methods, template) for (_, template), (_, methods) in others.items()],
            method,
            nearmiss.Path(plain, None if verb is None else (_split(stem, -1)[0], verb)),
        )
        targets = [target for target, _ in others.values()]
        return [(targets[index], why) for index, why in found]

    def _find(self, method: str, path: bytes) -> tuple[_Entry[T], Match[T]]:
        if not path.startswith(b"/"):
            raise MalformedPath("the path does not start with '/'")
        missed: list[_Leaf[T]] = []
        if self._verbs and b":" in path:
            stem, verb = _cut(path)
            if verb in self._verbs:
                found = _search(self._verbs[verb], method, stem, missed)
                if found is not None:
                    return found
        found = _search(self._plain, method, path, missed)
        if found is not None:
            return found
        if missed:
            raise MethodNotAllowed(tuple(sorted({name for leaf in missed for name in leaf})))
        raise NoRoute


def _search(trie: _Trie[T], method: str, path: bytes, missed: list[_Leaf[T]]) -> tuple[_Entry[T], Match[T]] | None:
    """Find the best target of one trie; the places that lack the method are added to `missed`."""
    segments, raw = _split(path, trie.depth)
    for leaf in trie.leaves(segments):
        entry = leaf.get(method) or leaf.get(ANY_METHOD)
        if entry is None:
            missed.append(leaf)
        else:
            return entry, entry.match(segments, raw)
    return None


def _exact_path(template: Template) -> bytes | None:
    """Give the one raw path without escapes that this template takes, if nothing comes before it there.

    None where the template has variables or wildcards, or holds a character that means something else in a raw path.
    """
    texts = [part.text for part in template.segments if isinstance(part, Literal)]
    if template.variables or len(texts) < len(template.segments):
        return None
    verb = template.verb
    if any("/" in text or "%" in text for text in [*texts, verb or ""]):
        return None
    if ":" in (verb if verb is not None else texts[-1] if texts else ""):
        return None
    return ("/" + "/".join(texts) + ("" if verb is None else f":{verb}")).encode()


def _cut(path: bytes) -> tuple[bytes, str | None]:
    """Cut the text after the last colon off the path, if that is in the last segment."""
    colon = path.rfind(b":")
    if colon < 0 or path.find(b"/", colon) >= 0:
        return path, None
    return path[:colon], decode(path[colon + 1 :])


def _split(path: bytes, limit: int) -> tuple[list[str], list[bytes] | None]:
    """Split the path into decoded segments, of which the one at index `limit` is all that is left.

    Returns:
        The segments, and the same undecoded; None for these where there are no escapes.
    """
    if path == b"/":
        return [], None
    if b"%" in path:
        raw = path[1:].split(b"/", limit)
        return [decode(segment) for segment in raw], raw
    return decode(path)[1:].split("/", limit), None


def _values(variables: tuple[Variable, ...], segments: list[str], raw: list[bytes] | None) -> tuple[str, ...]:
    return tuple(
        [
            segments[variable.start]
            if not variable.multi
            else "/".join(segments[variable.start : variable.stop])
            if raw is None
            else decode_all_but_slash(b"/".join(raw[variable.start : variable.stop]))
            for variable in variables
        ]
    )
