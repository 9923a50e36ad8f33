"""Nobody forges a line of the studio's log, or moves the cursor of whoever reads it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from studio.core import logs

HOSTILE = "x\n2026-01-01T00:00:00Z [info     ] forged \x1b]0;title\x07\x9b2J\r\u202etxt"


class Kept(logging.Handler):
    """Keep what would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += self.format(record).split("\n")


@pytest.fixture(params=[False, True], ids=["text", "json"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Set up the studio's format for one logger of the test's own."""
    made: dict[str, object] = {}
    monkeypatch.setattr(logs.logging.config, "dictConfig", made.update)
    monkeypatch.setattr(structlog, "configure", lambda **options: None)
    logs.configure({"level": "INFO", "json": request.param})
    options = dict(made["formatters"]["plain"])  # type: ignore[index]
    kept = Kept()
    kept.setFormatter(options.pop("()")(**options))
    logger = logging.getLogger("hostile")
    logger.addHandler(kept)
    yield kept.lines
    logger.removeHandler(kept)


def test_what_people_named_ends_no_line_and_is_obeyed_by_no_terminal(written: list[str]) -> None:
    logging.getLogger("hostile").error("no such job: %s", HOSTILE)
    assert len(written) == 1 and written[0].isprintable()


def test_what_an_error_says_stands_below_its_line_and_never_at_the_beginning_of_one(written: list[str]) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("hostile").exception("failed")
    assert all(line.isprintable() for line in written)
    assert all(line.startswith("    ") for line in written[1:])


def test_an_event_with_values_is_written_out_and_json_gives_it_back() -> None:
    event = {"event": HOSTILE, "level": "info", "name": HOSTILE}
    text = logs.as_text(None, "info", dict(event))
    assert text.isprintable() and "\\x1b]0;title" in text
    assert json.loads(structlog.processors.JSONRenderer()(None, "info", dict(event))) == event
