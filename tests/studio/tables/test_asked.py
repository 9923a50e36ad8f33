"""What an address asks of a list, and the addresses made from it."""

from __future__ import annotations

import pytest

from studio.tables.asked import NotUnderstoodError, address, address_without, kept, overlay, pairs_of, read
from studio.tables.declared import Choice, Column, Show, Since, Table

TABLE = Table(
    key="things",
    noun="thing",
    columns=(Column("name", "Name", sort="name"), Column("made", "Made", sort="id"), Column("note", "Note", shown=False)),
    sort="-made",
    shows=(Show("all", "All"), Show("mine", "Mine")),
    filters=(Choice("state", "State", [("on", "On"), ("off", "Off")], also=("status",)), Choice("tag", "Tag", free=True), Since("since", "Made", "at")),
)


def test_what_a_list_does_not_know_is_left_out() -> None:
    asked = read(TABLE, pairs_of("state=on&state=wrong&since=wrong&sort=wrong&show=wrong&nothing=1&cols=note,wrong&density=odd"))
    assert asked.filters == {"state": ("on",)} and asked.columns == ("note",)
    assert (asked.sort, asked.show, asked.dense) == ("", "", None)


@pytest.mark.parametrize("query", ["state=wrong", "sort=wrong", "show=wrong", "since=yesterday", "since=2026-13-01", "since=3w", "since=0001-01-01"])
def test_a_program_is_told_what_is_not_understood(query: str) -> None:
    with pytest.raises(NotUnderstoodError, match=query.partition("=")[0]):
        read(TABLE, pairs_of(query), strict=True)


def test_a_time_is_a_day_or_how_long_ago() -> None:
    assert read(TABLE, pairs_of("since=24h&since=7d&since=2026-11-25"), strict=True).filters == {"since": ("24h", "7d", "2026-11-25")}


def test_a_filter_is_known_by_its_other_names() -> None:
    assert read(TABLE, pairs_of("status=off&tag=anything")).filters == {"state": ("off",), "tag": ("anything",)}


def test_another_filter_or_sort_begins_at_the_first_page() -> None:
    pairs = pairs_of("q=a&after=KEY&sort=name")
    assert address(pairs, sort="-name") == "?q=a&sort=-name"
    assert address_without(pairs_of("state=on&state=off&before=KEY"), ("state", "status"), "on") == "?state=off"


def test_an_address_that_asks_for_nothing_does_not_open_the_default_view() -> None:
    assert address([]) == "?view="


def test_a_view_keeps_what_the_list_knows_and_no_place_in_it() -> None:
    pairs = pairs_of("state=on&q=x&after=KEY&view=other&wrong=1&cols=name,note&density=dense&format=csv")
    assert kept(TABLE, pairs) == [("q", "x"), ("state", "on"), ("cols", "name,note"), ("density", "dense")]


def test_what_is_given_beside_a_view_stands_in_its_stead() -> None:
    assert overlay(pairs_of("state=on&sort=name"), pairs_of("state=off")) == [("sort", "name"), ("state", "off")]
