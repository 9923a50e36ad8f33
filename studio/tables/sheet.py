"""A list as CSV: in pieces, safe to open in a spreadsheet, and honest where it was cut."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from studio.tables.declared import Column, Line

LINES_A_PIECE = 200
# A spreadsheet takes text that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def pieces(columns: Sequence[Column], lines: Iterable[Line], *, most: int) -> Iterator[bytes]:
    """Yield the CSV of lines, `most` of them; when there are more, the last line says that it was cut."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    # A byte order mark: without it spreadsheets take UTF-8 for something else.
    out.write("﻿")
    writer.writerow([safe(column.title) for column in columns])
    for number, line in enumerate(lines):
        if number >= most:
            writer.writerow([f"Cut after {most:,} rows: narrow the list to get the others"])
            break
        writer.writerow([safe(column.of(line)) for column in columns])
        if number % LINES_A_PIECE == LINES_A_PIECE - 1:
            yield _taken(out)
    yield _taken(out)


def safe(value: Any) -> str | int | float:
    """Return a value as a cell: numbers as they are, times in UTC, text never as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(timezone.get_default_timezone()).isoformat(timespec="seconds")
    if isinstance(value, dict):
        text = " ".join(f"{key}={one}" for key, one in value.items())
    elif isinstance(value, list | tuple | set):
        text = " ".join(str(one) for one in value)
    else:
        text = str(value)
    text = text.replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _taken(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode()
