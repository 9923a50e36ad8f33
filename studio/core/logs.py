"""Logging of the studio's own processes: one line an event, to standard error, as text or JSON."""

import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

# Control characters, those that end a line on some terminal, and signs that turn the direction of writing.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\n]")
# Plain tracebacks: the default ones print the local variables, passwords and tokens among them, and take seconds.
_TEXT = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


def as_text(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """Return an event as one line of text that nobody can forge another with; what a traceback says stands indented below it.

    What people and clusters name may end a line, or move the cursor of whoever reads the log on a terminal.
    """
    as_it_is = ("exception", "stack")
    kept = {key: _written_out(value) if isinstance(value, str) and key not in as_it_is else value for key, value in event.items()}
    first, *more = str(_TEXT(logger, name, kept)).split("\n")
    return "\n    ".join(_written_out(line) for line in (first, *more))


def _written_out(text: str) -> str:
    return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def configure(options: dict[str, Any]) -> None:
    """Set up logging from `LOGGING` = {"level": …, "json": bool}; Django calls it once in every process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = structlog.processors.JSONRenderer() if options["json"] else as_text
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "plain": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            "loggers": {
                "kubernetes": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "uvicorn.access": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
