"""Path templates of ``google/api/http.proto``, parsed.

The grammar is that of the specification, verbs included::

    Template = "/" Segments [ Verb ] ;        Variable  = "{" FieldPath [ "=" Segments ] "}" ;
    Segments = Segment { "/" Segment } ;      FieldPath = IDENT { "." IDENT } ;
    Segment  = "*" | "**" | LITERAL           Verb      = ":" LITERAL ;
             | Variable ;

What it leaves open is decided so:

- ``/`` alone is the template of the root: no segments.
- A LITERAL is one or more printable characters other than ``/ : * { } ? #`` and space. Any character can be written
  percent-encoded, as UTF-8; literals are kept and compared decoded.
- An IDENT is that of the protobuf language: ``[A-Za-z_][A-Za-z0-9_]*``.
- ``**`` is the last segment, inside or outside of a variable. Only a verb may follow.
- A verb follows at least one segment (``/:verb`` is an error).
- No field path is bound twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from twistedgw.transcoding.percent import MalformedPath, decode

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Literal", "Rest", "Segment", "Single", "Template", "TemplateError", "Variable"]

_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL = re.compile(r"[^/:*{}?#]+")
_MALFORMED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_SEGMENT = "a segment (a literal, '*', '**' or a '{variable}')"
_PATTERN_SEGMENT = "a segment of the variable's pattern (a literal, '*' or '**')"
_HINTS = {
    "*": "a wildcard is a whole segment",
    "{": "a variable is a whole segment, and variables do not nest",
    "?": "percent-encode it to mean the character itself",
    "#": "percent-encode it to mean the character itself",
    ":": "a ':' that starts no verb is written %3A",
}


class TemplateError(ValueError):
    """A text that is no template.

    Attributes:
        message: what was expected, and what was found.
        column: where, counted in characters from 1.
    """

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class Literal:
    """A segment that matches its own text.

    Attributes:
        text: decoded.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Single:
    """``*``: any one segment that is not empty."""


@dataclass(frozen=True, slots=True)
class Rest:
    """``**``: all segments that are left, none included."""


Segment = Literal | Single | Rest


@dataclass(frozen=True, slots=True)
class Variable:
    """A part of the path that is bound to a field.

    Attributes:
        field_path: the field's name, after those of the messages that hold it.
        pattern: what it matches, as written: ``shelves/*``, or ``*`` where nothing is written.
        text: the variable as written, braces included.
        start: the index of its first segment in the template.
        stop: the index after its last segment; None where it ends with ``**``.
        multi: whether the pattern has more than one segment or a ``**``, so that ``%2F`` stays in the value.
    """

    field_path: tuple[str, ...]
    pattern: str
    text: str
    start: int
    stop: int | None
    multi: bool

    @property
    def name(self) -> str:
        """The field path, joined by dots."""
        return ".".join(self.field_path)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed path template; `parse` makes it.

    Attributes:
        text: as written.
        segments: those of variables included.
        variables: from the left.
        verb: decoded and without its colon; None where there is none.
    """

    text: str
    segments: tuple[Segment, ...]
    variables: tuple[Variable, ...] = ()
    verb: str | None = None

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template.

        Raises:
            TemplateError: at the first character that the grammar does not allow.
        """
        return _Parser(text).template()

    @property
    def shape(self) -> Hashable:
        """Equal for two templates exactly if both match the same paths; names of variables do not count."""
        return self.verb, tuple(part.text if isinstance(part, Literal) else type(part) for part in self.segments)

    def with_prefix(self, prefix: str) -> Template:
        """Put the literal segments of `prefix`, such as ``/test/v2``, before this template's own.

        An empty prefix and ``/`` change nothing; a slash at the end of the prefix does not count.

        Raises:
            TemplateError: where the prefix does not read as a template of literals; the column is that of the prefix.
        """
        if prefix in ("", "/"):
            return self
        written = prefix.removesuffix("/")
        before = Template.parse(written)
        shift = len(before.segments)
        if not shift or before.verb is not None or not all(isinstance(part, Literal) for part in before.segments):
            raise TemplateError("a prefix is made of literals only (a ':' in them is written %3A)", 1)
        return Template(
            written if self.text == "/" else written + self.text,
            before.segments + self.segments,
            tuple(_shifted(variable, shift) for variable in self.variables),
            self.verb,
        )


def _shifted(variable: Variable, shift: int) -> Variable:
    stop = None if variable.stop is None else variable.stop + shift
    return replace(variable, start=variable.start + shift, stop=stop)


class _Parser:
    """Recursive descent over one text; `at` is the index of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.segments: list[Segment] = []
        self.variables: dict[tuple[str, ...], Variable] = {}

    def template(self) -> Template:
        if not self.take("/"):
            self.fail("'/' at the start")
        verb = None
        if self.text != "/":
            self.sequence(in_variable=False)
            verb = self.verb()
        return Template(self.text, tuple(self.segments), tuple(self.variables.values()), verb)

    def sequence(self, *, in_variable: bool) -> None:
        self.segment(in_variable=in_variable)
        while self.take("/"):
            if isinstance(self.segments[-1], Rest):
                self.at -= 1
                follow = "'}'" if in_variable else "':' or the end of the template"
                self.fail(f"{follow}, since '**' is the last segment")
            self.segment(in_variable=in_variable)

    def segment(self, *, in_variable: bool) -> None:
        if self.take("**"):
            self.segments.append(Rest())
        elif self.take("*"):
            self.segments.append(Single())
        elif not in_variable and self.take("{"):
            self.variable()
        else:
            self.segments.append(Literal(self.literal(_PATTERN_SEGMENT if in_variable else _SEGMENT)))

    def variable(self) -> None:
        opening, start = self.at - 1, len(self.segments)
        field_path = self.field_path()
        pattern_at = self.at + 1
        if self.take("="):
            self.sequence(in_variable=True)
            pattern = self.text[pattern_at : self.at]
            if not self.take("}"):
                self.fail("'}'" if isinstance(self.segments[-1], Rest) else "'/' or '}'")
        elif self.take("}"):
            pattern = "*"
            self.segments.append(Single())
        else:
            self.fail("'.', '=' or '}' after a field name")
        if field_path in self.variables:
            raise TemplateError(f"the field path '{'.'.join(field_path)}' is bound twice", opening + 1)
        open_ended = isinstance(self.segments[-1], Rest)
        stop = len(self.segments)
        self.variables[field_path] = Variable(
            field_path=field_path,
            pattern=pattern,
            text=self.text[opening : self.at],
            start=start,
            stop=None if open_ended else stop,
            multi=open_ended or stop - start > 1,
        )

    def field_path(self) -> tuple[str, ...]:
        names: list[str] = []
        while not names or self.take("."):
            ident = _IDENT.match(self.text, self.at)
            if ident is None:
                self.fail("a field name")
            names.append(ident[0])
            self.at = ident.end()
        return tuple(names)

    def verb(self) -> str | None:
        if self.take(":"):
            verb = self.literal("a verb after ':'")
            if self.at < len(self.text):
                self.fail("the end of the template after the verb", ":")
            return verb
        if self.at < len(self.text):
            follow = "':' or the end of the template" if isinstance(self.segments[-1], Rest) else "'/', ':' or the end"
            self.fail(f"{follow} after a segment")
        return None

    def literal(self, expected: str) -> str:
        written = _LITERAL.match(self.text, self.at)
        if written is None:
            self.fail(expected)
        text = written[0]
        if " " in text or not text.isprintable():
            index, char = next(each for each in enumerate(text, self.at) if each[1] == " " or not each[1].isprintable())
            raise TemplateError(f"expected {expected}, found {char!r} (percent-encode it)", index + 1)
        if "%" in text:
            text = self.unescaped(text)
        self.at = written.end()
        return text

    def unescaped(self, text: str) -> str:
        malformed = _MALFORMED_ESCAPE.search(text)
        if malformed:
            found = text[malformed.start() :][:3]
            message = f"expected two hexadecimal digits after '%', found {found!r}"
            raise TemplateError(message, self.at + malformed.start() + 1)
        try:
            return decode(text.encode())
        except MalformedPath:
            raise TemplateError("the escapes of this literal are not valid UTF-8 once decoded", self.at + 1) from None

    def take(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def fail(self, expected: str, hint_for: str = "") -> NoReturn:
        char = self.text[self.at : self.at + 1]
        hint = _HINTS.get(hint_for or char)
        found = repr(char) if char else "the end of the template"
        raise TemplateError(f"expected {expected}, found {found}" + (f" ({hint})" if hint else ""), self.at + 1)
