"""What others wrote is shown on a terminal, and not obeyed by it."""

from __future__ import annotations

import io
import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.cli.output import print_document, print_error, print_result, say
from mooring.errors import MooringError
from mooring.terminal import Log, plain
from mooring.up.output import Log as UpLog

HOSTILE = "a\x1b]52;c;cm0=\x07b\x9b2J\rc\u202etxt"
SHOWN = r"a\x1b]52;c;cm0=\x07b\x9b2J"


def logged(*pieces: bytes, terminal: bool = True) -> bytes:
    out = io.BytesIO()
    with Log(out, terminal=terminal) as log:
        for piece in pieces:
            log.write(piece)
    return out.getvalue()


@pytest.mark.parametrize("output", ["table", "json", "yaml", "name"])
@pytest.mark.parametrize("many", [True, False])
def test_no_format_of_a_result_carries_a_sequence(output: str, many: bool, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": HOSTILE, "tags": {HOSTILE: [HOSTILE]}}
    print_result([row] if many else row, output)
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.split("\n"))
    back = {"json": json.loads, "yaml": yaml.safe_load}.get(output)
    if back:
        assert back(said) == ([row] if many else row)
    else:
        assert SHOWN in said


def test_no_problem_and_no_sentence_carries_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(MooringError("an-id", HOSTILE, f"It is {HOSTILE}.", HOSTILE))
    say(HOSTILE, err=True)
    said = capsys.readouterr().err
    assert said.count(SHOWN) == 4 and all(line.isprintable() for line in said.split("\n"))


def test_a_document_goes_into_a_pipe_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_document(HOSTILE)
    assert capsys.readouterr().out == HOSTILE


def test_a_log_keeps_its_colours_and_nothing_else_and_ends_them() -> None:
    sent = b"\x1b[1;31mred\x1b]0;title\x07\x1b[2J\x1bc \xc2\x9b2J 10%\r20%\n\xe2\x9c\x93"
    assert logged(sent) == b"\x1b[1;31mred\\x1b]0;title\\x07\\x1b[2J\\x1bc \\x9b2J 10%\r20%\n\xe2\x9c\x93\x1b[0m"
    assert logged(sent, terminal=False) == sent


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"\x1b", b"[", b"1;31m", b"2J", b"\xc2", b"\x9b", b"text", b"\n", b"\x07", b"\x7f"]), max_size=12), st.data())
def test_however_a_log_is_cut_into_pieces_it_is_shown_alike(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    at = data.draw(st.integers(0, len(whole)))
    shown = logged(whole[:at], whole[at:])
    assert shown == logged(whole)
    assert all(piece.startswith((b"[0m", b"[1;31m")) for piece in shown.split(b"\x1b")[1:])


def test_what_the_parts_of_a_studio_print_is_not_obeyed_either() -> None:
    out = io.BytesIO()
    UpLog(["web"], stream=out, coloured=False).line("web", HOSTILE)
    assert SHOWN.encode() in out.getvalue() and b"\x1b" not in out.getvalue()


def test_plain_text_stays_as_it_is() -> None:
    assert plain("größe\t✓\n日本") == "größe\t✓\n日本"
