"""Texts that not every database keeps: with a zero character, or with half of a pair of UTF-16 (JSON's escapes can write both)."""

import re
from typing import Any

UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
SAID = "A text holds a character that cannot be kept: zero, or half of a pair."


def keepable(value: Any) -> Any:
    """Return plain values with such characters replaced by U+FFFD; for what programs write that nobody can be asked about."""
    if isinstance(value, str):
        return UNKEEPABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {keepable(key): keepable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [keepable(one) for one in value]
    return value
