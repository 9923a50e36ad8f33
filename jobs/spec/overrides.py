"""`--set inputs.x=5`: a field replaced before the YAML is looked at."""

import re
from collections.abc import Iterable
from typing import Any, Never

from jobs.spec.errors import SpecError, SpecIssue
from jobs.spec.yamltext import Document, Path, read_value

_PART = re.compile(r'"([^"]+)"|([^."=\[\]]+)|\[([0-9]{1,4})\]')


def apply(document: Document, overrides: Iterable[str]) -> None:
    """Set fields of a document from `path=value` texts, values read as YAML; raise `SpecError` when that cannot be."""
    overrides = tuple(overrides)
    if not overrides:
        return
    document.value = _copied(document.value)
    for override in overrides:
        path, value = _parsed(override)
        _set(document.value, path, value, override)
        document.overridden.add(path)


def _parsed(override: str) -> tuple[Path, Any]:
    """Split `tags."a.b"=1` into the path and the value."""
    path: list[str | int] = []
    at = 0
    while found := _PART.match(override, at):
        path.append(int(found[3]) if found[3] else found[1] or found[2].strip())
        at = found.end()
        if override[at : at + 1] == ".":
            at += 1
        elif override[at : at + 1] != "[":
            break
    if not path or override[at : at + 1] != "=" or "" in path:
        _refuse(override, "It has no `=` after a field's name.", "Write it as `--set inputs.x=5`.")
    return tuple(path), read_value(override[at + 1 :])


def _set(fields: Any, path: Path, value: Any, override: str) -> None:
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(fields, dict) and isinstance(part, str):
            if last:
                fields[part] = value
            elif fields.get(part) is None:
                fields[part] = {}
        elif isinstance(fields, list) and isinstance(part, int) and part < len(fields):
            if last:
                fields[part] = value
        else:
            _refuse(
                override,
                f"There are no fields below `{'.'.join(map(str, path[:depth]))}` to set.",
                "Set the whole of it instead.",
            )
        if not last:
            fields = fields[part]


def _copied(value: Any) -> Any:
    # Aliases make parts of a document the same object; setting one must not set the other.
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _refuse(override: str, text: str, todo: str) -> Never:
    raise SpecError(
        SpecIssue("spec-override-not-usable", "", None, None, f"`--set {override[:80]}` is not usable. {text}", todo)
    )
