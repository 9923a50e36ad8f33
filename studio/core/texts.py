"""Texts of strangers: what not every database keeps (zero, half of a pair of UTF-16), and JSON made to break its reader."""

import json
import re
from typing import Any

UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
SAID = "A text holds a character that cannot be kept: zero, or half of a pair."


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON that a stranger wrote; raise ValueError for what is none, or is nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("The JSON is nested too deeply.") from error


def keepable(value: Any) -> Any:
    """Return plain values with such characters replaced by U+FFFD; for what programs write that nobody can be asked about."""
    if isinstance(value, str):
        return UNKEEPABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {keepable(key): keepable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [keepable(one) for one in value]
    return value
