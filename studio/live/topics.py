"""What can be watched: each app registers its topics, and who may watch them.

A topic is `<kind>` or `<kind>:<key>`. A log topic also names the file that holds the truth: its live frames carry
offsets of that file, and whoever lags behind is served from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.errors import ProblemError


@dataclass(frozen=True)
class Kind:
    """One kind of topic; `allow(user, key)` raises ProblemError for who may not watch, and answers a log's file.

    `watched(key)` is told again and again, every few seconds, for as long as somebody does.
    """

    allow: Callable[[Any, str], Path | None]
    is_log: bool = False
    watched: Callable[[str], None] | None = None


KINDS: dict[str, Kind] = {}


def is_log(name: str) -> bool:
    """Tell whether a topic is a log's: its kind is `log`, or begins with `log-`."""
    kind = name.partition(":")[0]
    return kind == "log" or kind.startswith("log-")


def register_topic(
    kind: str, allow: Callable[[Any, str], Path | None], *, is_log: bool = False, watched: Callable[[str], None] | None = None
) -> None:
    """Make topics of `kind` watchable."""
    KINDS[kind] = Kind(allow, is_log, watched)


@dataclass(frozen=True)
class Topic:
    """A topic that one person may watch."""

    name: str
    file: Path | None = None


def allowed(user: Any, names: list[str]) -> list[Topic]:
    """Return those of the topics that `user` may watch; the others are left out without a word."""
    topics = []
    for name in names:
        kind, _, key = name.partition(":")
        try:
            topics.append(Topic(name, KINDS[kind].allow(user, key)))
            if watched := KINDS[kind].watched:
                watched(key)
        except (KeyError, ProblemError, OverflowError, ValueError):
            continue
    return topics
