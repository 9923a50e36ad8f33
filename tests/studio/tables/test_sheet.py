"""A list as CSV."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import pytest

from studio.tables.declared import Column, Line
from studio.tables.sheet import pieces, safe

COLUMNS = (Column("name", "Name"), Column("size", "Size"))


def rows_of(values: list[tuple[object, object]], most: int = 100) -> list[list[str]]:
    lines = (Line(row=SimpleNamespace(name=name, size=size), id="", title="") for name, size in values)
    return list(csv.reader(io.StringIO(b"".join(pieces(COLUMNS, lines, most=most)).decode("utf-8-sig"))))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "＝1"])
def test_text_is_never_a_formula(text: str) -> None:
    assert str(safe(text)).startswith("'")


def test_numbers_stay_numbers() -> None:
    assert (safe(-3), safe(0.5), safe(True), safe(None)) == (-3, 0.5, "yes", "")


def test_commas_quotes_and_lines_come_back_as_they_were() -> None:
    assert rows_of([('a "b", c\nd', 1)]) == [["Name", "Size"], ['a "b", c\nd', "1"]]


def test_it_says_where_it_was_cut() -> None:
    found = rows_of([(f"n{number}", number) for number in range(5)], most=3)
    assert len(found) == 5 and found[-1][0].startswith("Cut after 3 rows")


def test_it_comes_in_pieces() -> None:
    lines = (Line(row=SimpleNamespace(name="x", size=1), id="", title="") for _ in range(1000))
    assert len(list(pieces(COLUMNS, lines, most=10_000))) > 4
