"""`${{inputs.x}}`, `${{outputs.x}}` and `$[[optional groups]]` in commands.

Replacing is textual, as in the original: values are put in as they are, without quotes, and what a value holds is never
read as an expression again. Whoever writes the command quotes it as a shell needs.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_REFERENCE = re.compile(r"\s*(inputs|outputs)\.([A-Za-z_][A-Za-z0-9_]*)\s*")


@dataclass(frozen=True)
class Text:
    """A part of a command that stays as it is."""

    text: str


@dataclass(frozen=True)
class Reference:
    """An expression: `inputs` or `outputs` and a name, or neither when it means nothing here."""

    text: str
    space: str
    name: str
    start: int


@dataclass(frozen=True)
class Group:
    """`$[[…]]`: left out as a whole when an input in it has no value."""

    text: str
    parts: tuple[Text | Reference, ...]


Part = Text | Reference | Group


def parse(command: str) -> tuple[Part, ...]:
    """Split a command into texts, references and optional groups.

    A `$[[…]]` without an expression in it is no group but text, as the original leaves it.
    """
    parts: list[Part] = []
    at = 0
    for start, end in _spans(command, "$[[", "]]", 0, len(command)):
        inner = tuple(_split(command, start + 3, end - 2))
        if not any(isinstance(part, Reference) for part in inner):
            continue
        parts += _split(command, at, start)
        parts.append(Group(command[start:end], inner))
        at = end
    parts += _split(command, at, len(command))
    return tuple(parts)


def unclosed(command: str) -> int | None:
    """Return where an expression begins that is never closed."""
    end = max((end for _, end in _spans(command, "${{", "}}", 0, len(command))), default=0)
    start = command.find("${{", end)
    return start if start >= 0 else None


def references(command: str) -> Iterator[tuple[Reference, bool]]:
    """Yield each expression of a command and whether it stands in an optional group."""
    for part in parse(command):
        if isinstance(part, Reference):
            yield part, False
        elif isinstance(part, Group):
            yield from ((inner, True) for inner in part.parts if isinstance(inner, Reference))


def resolve(command: str, value: Callable[[Reference], str | None]) -> str:
    """Replace every expression by its value; raise `KeyError` for one without a value outside optional groups."""
    resolved: list[str] = []
    for part in parse(command):
        if isinstance(part, Text):
            resolved.append(part.text)
        elif isinstance(part, Reference):
            found = value(part)
            if found is None:
                raise KeyError(part.text)
            resolved.append(found)
        else:
            inner = [one.text if isinstance(one, Text) else value(one) for one in part.parts]
            if None not in inner:
                resolved += [one for one in inner if one is not None]
    return "".join(resolved)


def _split(command: str, start: int, end: int) -> Iterator[Text | Reference]:
    at = start
    for begins, ends in _spans(command, "${{", "}}", start, end):
        if begins > at:
            yield Text(command[at:begins])
        reference = _REFERENCE.fullmatch(command, begins + 3, ends - 2)
        space, name = (reference[1], reference[2]) if reference else ("", "")
        yield Reference(command[begins:ends], space, name, begins)
        at = ends
    if at < end:
        yield Text(command[at:end])


def _spans(text: str, opening: str, closing: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where each opening and the first closing after it begin and end, in one pass however the text was made."""
    while (begins := text.find(opening, start, end)) >= 0:
        closes = text.find(closing, begins + len(opening), end)
        if closes < 0:
            return
        start = closes + len(closing)
        yield begins, start
