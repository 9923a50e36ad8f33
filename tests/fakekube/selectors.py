"""Label and field selectors, read as the API server reads them."""

import re
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
_SET = re.compile(r"(?P<key>\S+)\s+(?P<not>notin|in)\s*\((?P<values>[^)]*)\)")


def label_selector(text: str) -> Callable[[Object], bool]:
    """Return the test that a label selector describes."""
    tests = [_label_test(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def field_selector(text: str) -> Callable[[Object], bool]:
    """Return the test that a field selector describes."""
    tests = [_field_test(part) for part in text.split(",") if part]
    return lambda obj: all(test(obj) for test in tests)


def _label_test(part: str) -> Callable[[dict[str, str]], bool]:
    if match := _SET.fullmatch(part):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["not"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if "!=" in part:
        key, value = part.split("!=", 1)
        return lambda labels: labels.get(key) != value
    if "=" in part:
        key, value = re.split("==?", part, maxsplit=1)
        return lambda labels: labels.get(key) == value
    if part.startswith("!"):
        return lambda labels: part[1:] not in labels
    return lambda labels: part in labels


def _field_test(part: str) -> Callable[[Object], bool]:
    negative = "!=" in part
    path, value = re.split("!=|==?", part, maxsplit=1)

    def test(obj: Object) -> bool:
        place: Any = obj
        for key in path.split("."):
            place = place.get(key) if isinstance(place, dict) else None
        return (str(place if place is not None else "") == value) != negative

    return test
