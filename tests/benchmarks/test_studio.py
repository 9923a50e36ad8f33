"""A cluster of a measurement's own is one run's at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import studio


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Stand in for the sandbox; give what it was asked."""
    monkeypatch.setenv("MOORING_SANDBOX_STATE", str(tmp_path))
    words: list[tuple[str, ...]] = []

    def sandbox(*said: str, **_: Any) -> dict[str, Any]:
        words.append(said)
        return {"state": "up" if said[0] == "up" else "absent"}

    monkeypatch.setattr(studio, "sandbox", sandbox)
    return words


def test_a_second_run_says_who_has_the_cluster_and_leaves_it_alone(asked: list[tuple[str, ...]]) -> None:
    with studio.cluster("loss"):
        before = list(asked)
        with pytest.raises(studio.NotMeasuredError, match=f"“loss”: process {os.getpid()}$"), studio.cluster("loss"):
            pass
        assert asked == before
    assert [words[0] for words in asked] == ["status", "up", "down"]
    with studio.cluster("loss"):
        pass


def test_many_measure_with_the_main_cluster_and_it_stays(asked: list[tuple[str, ...]]) -> None:
    with studio.cluster("main"), studio.cluster("main"):
        pass
    assert "down" not in [words[0] for words in asked]
