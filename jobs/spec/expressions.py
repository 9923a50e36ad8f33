"""`${{inputs.x}}`, `${{outputs.x}}` and `$[[optional groups]]` in commands.

Replacing is textual, as in the original: values are put in as they are, without quotes, and what a value holds is never
read as an expression again. Whoever writes the command quotes it as a shell needs.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_GROUP = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
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
    for group in _GROUP.finditer(command):
        inner = tuple(_split(command, group.start(1), group.end(1)))
        if not any(isinstance(part, Reference) for part in inner):
            continue
        parts += _split(command, at, group.start())
        parts.append(Group(group[0], inner))
        at = group.end()
    parts += _split(command, at, len(command))
    return tuple(parts)


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
    for found in _EXPRESSION.finditer(command, start, end):
        if found.start() > at:
            yield Text(command[at : found.start()])
        reference = _REFERENCE.fullmatch(found[1])
        yield Reference(found[0], reference[1] if reference else "", reference[2] if reference else "", found.start())
        at = found.end()
    if at < end:
        yield Text(command[at:end])
