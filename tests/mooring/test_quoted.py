"""What the studio writes with backticks, in a terminal."""

from __future__ import annotations

import pytest

from mooring.cli.output import print_error
from mooring.errors import MooringError


def test_code_in_a_sentence_stands_in_plain_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(MooringError("an-id", "Title", "Field `compute` is not right.", "Leave `compute` out, or name `a` ` one."))
    said = capsys.readouterr().err
    assert "Field 'compute' is not right." in said and "Leave 'compute' out, or name 'a' ` one." in said
