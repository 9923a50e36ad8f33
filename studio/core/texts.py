"""Texts of strangers: what not every database keeps, what reads as something else than it is, JSON and YAML made to break their readers."""

import json
import re
import unicodedata
from typing import Any

import yaml

UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
SAID = "A text holds a character that cannot be kept: zero, or half of a pair."
# Controls but tab and the ends of lines; embeddings, overrides and isolates (UAX #9), which turn the direction of what follows;
# what takes no room and joins nothing.
_MISLEADING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f]"
)
# Flags of parts of a country are written with signs that else do not show (UTS #51, emoji tag sequences).
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,30}\U000e007f")
# Joiners belong into Arabic and Indic words and between emoji; before U+0590 no script needs them.
_JOINERS = re.compile("(?:^|[\x00-\u058f\u2000-\u200d])[\u200c\u200d]|[\u200c\u200d](?:$|[\x00-\u058f\u2000-\u200d])")
# Marks of direction belong beside letters that are written from right to left.
_MARKS = re.compile("[\u200e\u200f\u061c]")
_UNSEEN = re.compile(f"{_MISLEADING.pattern}|[\u200c-\u200f\u061c]")
# A number in base sixty (`1:1:1:…`) takes YAML's reader minutes, and one of thousands of digits cannot be written out again.
NUMBER_SIGNS = 400
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_RESOLVER: Any = yaml.resolver.Resolver()
TODO = "Type it by hand: what is copied from elsewhere may bring such signs along."


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON that a stranger wrote; raise ValueError for what is none, or is nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("The JSON is nested too deeply.") from error


def in_lines(value: Any, length: int) -> str | None:
    """Return plain values as JSON in lines; None where a text of this length grows too much: deep nesting makes gigabytes of spaces."""
    left, pieces = 8 * length + 65536, []
    try:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
            left -= len(piece)
            if left < 0:
                return None
            pieces.append(piece)
    except RecursionError:
        return None
    return "".join(pieces)


def is_endless_number(event: Any) -> bool:
    """Tell whether an event of YAML's parser is a number longer than any that is meant; asked before it is built."""
    if not isinstance(event, yaml.ScalarEvent) or len(event.value) <= NUMBER_SIGNS:
        return False
    tag = event.tag if event.tag not in (None, "!") else _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
    return tag in _NUMBERS


def keepable(value: Any) -> Any:
    """Return plain values with such characters replaced by U+FFFD; for what programs write that nobody can be asked about."""
    if isinstance(value, str):
        return UNKEEPABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {keepable(key): keepable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [keepable(one) for one in value]
    return value


def misleading(text: str) -> str:
    """Say which sign of a text does not show and has it read as something else than it is; nothing for most texts."""
    if text.isascii() and text.isprintable():
        return ""
    text = _FLAG.sub("\U0001f3f4", text)
    found = _MISLEADING.search(text) or _JOINERS.search(text)
    if not found and not any(sign.isalpha() and unicodedata.bidirectional(sign) in ("R", "AL") for sign in text):
        found = _MARKS.search(text)
    if not found:
        return ""
    sign = next(one for one in found[0] if _UNSEEN.match(one))
    name = unicodedata.name(sign, "a control character").lower()
    return f"It holds a sign that does not show and can have it read as something else: U+{ord(sign):04X} ({name})."


def neutral(text: str) -> str:
    """Return a text of which nobody can be asked with such signs replaced by U+FFFD."""
    return _UNSEEN.sub("\ufffd", text) if misleading(text) else text
