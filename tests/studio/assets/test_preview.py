"""Files shown in place: what they are taken for, and how much of them is read."""

from __future__ import annotations

import pytest

from studio.assets.preview import TEXT_BYTES, shown_text


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.txt", b"hello\n", "text"),
        ("README", "größe\n".encode(), "text"),
        ("latin.txt", "größe größe and a longer line of plain text\n".encode("latin-1"), "text"),
        ("a.csv", b"a,b\n1,2\n", "table"),
        ("a.tsv", b"a\tb\n1\t2\n", "table"),
        ("a.bin", b"\0\1\2", "binary"),
        ("a.pkl", b"\x80\x04\x95" + bytes(range(1, 32)) * 10, "binary"),
        ("a.html", b"<script>1</script>", "text"),
        ("a.csv", b'"never closed', "table"),
    ],
)
def test_a_file_is_shown_as_what_it_holds(path: str, content: bytes, kind: str) -> None:
    assert shown_text(path, content, cut=False).kind == kind


def test_a_table_shows_its_first_two_hundred_rows_and_says_that_there_are_more() -> None:
    shown = shown_text("a.csv", b"n\n" + b"".join(b"%d\n" % n for n in range(500)), cut=False)
    assert (shown.head, len(shown.rows), shown.rows[-1], shown.cut) == (["n"], 200, ["199"], True)


def test_a_table_of_just_two_hundred_rows_is_whole() -> None:
    assert not shown_text("a.csv", b"n\n" + b"1\n" * 200, cut=False).cut


def test_a_row_that_the_preview_cuts_in_two_is_left_out() -> None:
    assert shown_text("a.csv", b"a,b\n1,2\n3,", cut=True).rows == [["1", "2"]]


def test_a_character_that_the_preview_cuts_in_two_does_no_harm() -> None:
    head = b"x" * (TEXT_BYTES - 1) + "é".encode()[:1]
    assert shown_text("a.txt", head, cut=True).text == "x" * (TEXT_BYTES - 1)


def test_json_of_one_line_is_indented_and_broken_json_is_shown_as_it_is() -> None:
    assert shown_text("a.json", b'{"a": [1]}', cut=False).text == '{\n  "a": [\n    1\n  ]\n}'
    assert shown_text("a.json", b'{"a": ', cut=False).text == '{"a": '
