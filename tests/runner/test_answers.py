"""What the runner tells of an answer that is no success."""

from __future__ import annotations

from runner.studio import _said


def test_the_sentence_of_a_problem_is_told_and_not_its_json() -> None:
    assert _said(b'{"id": "x", "detail": "artifacts/b was not kept."}') == "artifacts/b was not kept."


def test_of_anything_else_the_beginning_is_told() -> None:
    assert _said(b"<html>bad gateway") == "<html>bad gateway" and _said(b"[1]") == "[1]"
