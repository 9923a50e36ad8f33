"""YAML from strangers becomes plain values, with the place of each.

Values are those that PyYAML's safe loader gives (YAML 1.1, as the original reads it), except that keys and dates stay
text. Refused with line and column: over 1 MiB, not UTF-8, several documents, duplicate keys, foreign tags, deep
nesting, and aliases that unfold to more than `NODES` values.
"""

from dataclasses import dataclass, field
from typing import Any, Never

import yaml

from jobs.spec.errors import SpecError, SpecIssue
from studio.core.texts import SAID, UNKEEPABLE, is_endless_number

TEXT_BYTES = 1024 * 1024
NODES = 50_000
DEPTH = 50

Path = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_TEMPLATE = "It looks like a template whose `{{…}}` were not filled in: fill them in first, or quote the value."
_SCALARS = frozenset({"null", "bool", "int", "float", "str", "timestamp"})


@dataclass(frozen=True)
class Place:
    """Where a value stands: line and column from 1, and where it ends."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass
class Document:
    """A YAML's value, and the places of its values and of the keys that name them."""

    value: Any
    text: str = ""
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    overridden: set[Path] = field(
        default_factory=set
    )  # fields that were set from outside and stand nowhere in the text

    def place(self, path: Path, *, key: bool = False) -> Place | None:
        """Return the place of a field, or of the nearest thing around it that has one."""
        if any(path[: len(outside)] == outside for outside in self.overridden):
            return None
        while True:
            if key and path in self.keys:
                return self.keys[path]
            if path in self.values:
                return self.values[path]
            if not path:
                return None
            path = path[:-1]

    def place_within(self, path: Path, part: str, nth: int) -> Place | None:
        """Return the place of the nth occurrence (from 0) of a part of a text value, else of the value."""
        whole = self.values.get(path)
        if whole is None or path in self.overridden:
            return self.place(path)
        lines = self.text.split("\n")
        for number in range(whole.line, min(whole.end_line, len(lines)) + 1):
            start = whole.column - 1 if number == whole.line else 0
            line = lines[number - 1]
            end = whole.end_column - 1 if number == whole.end_line else len(line)
            at = line.find(part, start, end)
            while at >= 0:
                if nth == 0:
                    return Place(number, at + 1, number, at + 1 + len(part))
                nth -= 1
                at = line.find(part, at + len(part), end)
        return whole


def read(text: str | bytes) -> Document:
    """Return the one document of a YAML text, or raise `SpecError` with line and column."""
    decoded = _decoded(text)
    try:
        return _Reader(decoded).document()
    except yaml.YAMLError as error:
        raise SpecError(_syntax_issue(error, decoded)) from None


def read_value(text: str) -> Any:
    """Return what a piece of YAML stands for, as in `--set a=[1, 2]`; text that is no YAML stands for itself."""
    if not text.strip():
        return text
    try:
        return read(text).value
    except SpecError as error:
        if error.problem_id in ("spec-too-large", "spec-too-many-values", "spec-too-deep"):
            raise
        return text


def _decoded(text: str | bytes) -> str:
    if len(text) > TEXT_BYTES:
        _refuse(
            "spec-too-large",
            None,
            f"The YAML is larger than {TEXT_BYTES // 1024} KiB.",
            "Keep data out of the YAML and name it as an input.",
        )
    if isinstance(text, bytes):
        try:
            decoded = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line, column = _line_and_column(text[: error.start].decode("utf-8", "replace"))
            _refuse(
                "spec-not-yaml", Place(line, column, line, column), "The text is not UTF-8.", "Save the file as UTF-8."
            )
    else:
        decoded = text
    return decoded.removeprefix("\ufeff").replace("\r\n", "\n")


class _Reader:
    """One pass over the parser's events; nothing is built that the limits do not allow."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events = yaml.parse(text, Loader=_Loader)
        self._resolver: Any = yaml.resolver.Resolver()
        self._constructor = yaml.constructor.SafeConstructor()
        self._document = Document(None, text)
        self._anchors: dict[str, tuple[Any, int, int]] = {}  # name → value, values in it, depth of it
        self._count = 0

    def document(self) -> Document:
        found = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found:
                    _refuse(
                        "spec-several-documents",
                        _place(event),
                        "A second document starts here.",
                        "Send one document at a time.",
                    )
                found = True
                first = next(self._events)
                self._document.value, _ = self._node(first, (), 0)
        if not found:
            _refuse(
                "spec-empty",
                None,
                "There is nothing in this YAML but comments or blank space.",
                "Write the fields of a job, or choose another file.",
            )
        return self._document

    def _node(self, event: Any, path: Path, depth: int) -> tuple[Any, int]:
        """Return the value that starts at an event, and how deep it is."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path, depth)
        self._count_values(1, event)
        if depth > DEPTH:
            _refuse("spec-too-deep", _place(event), f"More than {DEPTH} levels deep.", "Flatten the YAML.")
        before = self._count
        place = _place(event)
        if isinstance(event, yaml.ScalarEvent):
            value, levels = self._scalar(event), 0
        elif isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event, "seq")
            value, levels, place = self._sequence(place, path, depth)
        else:
            self._check_tag(event, "map")
            value, levels, place = self._mapping(place, path, depth)
        self._document.values[path] = place
        if event.anchor:
            self._anchors[event.anchor] = (value, self._count - before + 1, levels)
        return value, levels

    def _sequence(self, start: Place, path: Path, depth: int) -> tuple[list[Any], int, Place]:
        values: list[Any] = []
        deepest = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, levels = self._node(event, (*path, len(values)), depth + 1)
            values.append(value)
            deepest = max(deepest, levels + 1)
        return values, deepest, _until(start, event)

    def _mapping(self, start: Place, path: Path, depth: int) -> tuple[dict[str, Any], int, Place]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        deepest = 0
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = _place(event)
            key, is_merge = self._key(event)
            if is_merge:
                value, levels = self._node(next(self._events), (*path, "<<"), depth + 1)
                self._merge(merged, value, place)
            else:
                if key in values:
                    first = self._document.keys[(*path, key)].line
                    _refuse(
                        "spec-duplicate-key",
                        place,
                        f"`{_short(key)}` is given twice; the first time on line {first}.",
                        "Remove one of them.",
                        path,
                    )
                values[key] = None
                self._document.keys[(*path, key)] = place
                value, levels = self._node(next(self._events), (*path, key), depth + 1)
                values[key] = value
            deepest = max(deepest, levels + 1)
        return {**merged, **values}, deepest, _until(start, event)

    def _key(self, event: Any) -> tuple[str, bool]:
        if isinstance(event, yaml.AliasEvent):
            anchored, _, _ = self._anchors.get(event.anchor or "", (None, 0, 0))
            if isinstance(anchored, str):
                return anchored, False
        if not isinstance(event, yaml.ScalarEvent):
            _refuse(
                "spec-not-yaml",
                _place(event),
                "A list or a set of fields stands where a field's name should.",
                _TEMPLATE if "{{" in self._line(event) else "Quote the text if it begins with a bracket or a brace.",
            )
        self._count_values(1, event)
        self._check_text(event)
        if event.tag not in (None, "!", f"{_CORE}str", f"{_CORE}merge"):
            self._check_tag(event, "str")
        if event.anchor:
            self._anchors[event.anchor] = (event.value, 1, 0)
        return event.value, event.value == "<<" and not event.style

    def _line(self, event: Any) -> str:
        lines = self._text.split("\n")
        number: int = event.start_mark.line
        return lines[min(number, len(lines) - 1)]

    def _merge(self, merged: dict[str, Any], value: Any, place: Place) -> None:
        """Take over the fields of a mapping, or of several of which the first wins (https://yaml.org/type/merge.html)."""
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                _refuse("spec-not-yaml", place, "`<<` merges sets of fields only.", "Write the fields out.")
            for key, inner in one.items():
                merged.setdefault(key, inner)

    def _alias(self, event: Any, path: Path, depth: int) -> tuple[Any, int]:
        if event.anchor not in self._anchors:
            _refuse(
                "spec-alias-not-usable",
                _place(event),
                f"`*{_short(event.anchor)}` stands for nothing that was finished before it.",
                "Define `&" + _short(event.anchor) + "` before it is used.",
            )
        value, count, levels = self._anchors[event.anchor]
        self._count_values(count, event)
        if depth + levels > DEPTH:
            _refuse("spec-too-deep", _place(event), f"More than {DEPTH} levels deep.", "Flatten the YAML.")
        self._document.values[path] = _place(event)
        return value, levels

    def _scalar(self, event: Any) -> Any:
        self._check_text(event)
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = tag.removeprefix(_CORE)
        if kind in ("timestamp", "merge", "value"):
            return event.value
        if not tag.startswith(_CORE) or kind not in _SCALARS:
            self._refuse_tag(event)
        if is_endless_number(event):
            _refuse("spec-not-yaml", _place(event), f"`{_short(event.value)}` is too long for a number.", "Quote it to make it text.")
        try:
            constructed = self._constructor.construct_object(yaml.ScalarNode(tag, event.value))
            self._constructor.constructed_objects.clear()
        except (ValueError, KeyError, OverflowError, yaml.YAMLError):
            _refuse(
                "spec-not-yaml",
                _place(event),
                f"`{_short(event.value)}` is not a value of the type it is marked as.",
                "Correct it, or quote it to make it text.",
            )
        return constructed

    def _check_text(self, event: Any) -> None:
        if UNKEEPABLE.search(event.value):
            _refuse("spec-not-yaml", _place(event), SAID, "Take the escape (such as `\\0`) out of the text.")

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _CORE + kind):
            self._refuse_tag(event)

    def _refuse_tag(self, event: Any) -> Never:
        tag = _short(event.tag.replace(_CORE, "!!"))
        _refuse(
            "spec-tag-not-allowed",
            _place(event),
            f"The tag `{tag}` is not allowed.",
            "Remove the tag and write a plain value.",
        )

    def _count_values(self, count: int, event: Any) -> None:
        self._count += count
        if self._count > NODES:
            _refuse(
                "spec-too-many-values",
                _place(event),
                f"The YAML unfolds to more than {NODES:,} values.",
                "Use fewer aliases and shorter lists.",
            )


def _place(event: Any) -> Place:
    start, end = event.start_mark, event.end_mark
    return Place(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _until(start: Place, event: Any) -> Place:
    end = event.end_mark
    return Place(start.line, start.column, end.line + 1, end.column + 1)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def _refuse(problem_id: str, place: Place | None, text: str, todo: str, path: Path = ()) -> Never:
    line, column = (place.line, place.column) if place else (None, None)
    raise SpecError(SpecIssue(problem_id, dotted(path), line, column, text, todo))


def dotted(path: Path) -> str:
    """Return a path as people write it: `inputs.a.mode`, `jobs[0].name`."""
    written = ""
    for part in path:
        written += f"[{part}]" if isinstance(part, int) else f".{part}" if written else part
    return written


def _syntax_issue(error: yaml.YAMLError, text: str) -> SpecIssue:
    """Turn the parser's complaint into a sentence with a place and a next step."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    if mark is None:
        bad = (at for at, sign in enumerate(text) if not sign.isprintable() and sign not in "\n\t\r\x85")
        line, column = _line_and_column(text[: next(bad, 0)])
        sentence, todo = "A character that YAML does not allow.", "Remove control characters from the text."
        return SpecIssue("spec-not-yaml", "", line, column, sentence, todo)
    line, column = mark.line + 1, mark.column + 1
    lines = text.split("\n")
    shown = lines[mark.line] if mark.line < len(lines) else ""
    todo = "Check the indentation, the colons and the quotes near this place."
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        return SpecIssue(
            "spec-not-yaml",
            "",
            line,
            column,
            "This line is indented with a tab.",
            "Indent with spaces; YAML does not allow tabs.",
        )
    if "{{" in shown and "${{" not in shown:
        todo = _TEMPLATE
    elif "${{" in shown:
        todo = "Quote the value, or write it as a block with `|`."
    elif "mapping values are not allowed" in problem:
        todo = "Quote a value that holds `: `, or check the indentation of this line."
    return SpecIssue("spec-not-yaml", "", line, column, f"Not valid YAML: {problem}.", todo)


def _line_and_column(before: str) -> tuple[int, int]:
    """Return the place, from 1, of what follows a text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")
