"""The page of figures: what is taken into it, what it is compared with, and what it says of a limit."""

import json
import xml.dom.minidom
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.__main__ import NAMES, main
from benchmarks.limits import LIMITS, Limit
from benchmarks.picture import Bar, drawn
from benchmarks.process import NotThereError

MACHINE = {"cpu": "One", "cores": 2, "memory_mb": 4096, "kernel": "6", "python": "3.12.1", "load_1m": 0.4}


def result(name: str = "submit", at: str = "2026-01-02T03:04:05+00:00", **figures: Any) -> dict[str, Any]:
    return {"name": name, **figures, "quick": False, "took_seconds": 12.3, "at": at, "commit": "abc", "machine": MACHINE}


def test_every_benchmark_that_can_be_run_has_limits_on_the_page() -> None:
    assert set(NAMES) <= set(LIMITS)


@pytest.mark.parametrize(
    ("limit", "figure", "met", "used"),
    [
        (Limit("x", 100), 50, True, 0.5),
        (Limit("x", 100), 150, False, 1.5),
        (Limit("x", 100, least=True), 50, False, 2.0),
        (Limit("x", 0), 0, True, 0.0),
        (Limit("x", 0), 1, False, float("inf")),
        (Limit("x", 1), None, None, None),
        (Limit("x", None), 3, None, None),
    ],
)
def test_a_limit_is_met_up_to_its_bound(limit: Limit, figure: float | None, met: bool | None, used: float | None) -> None:
    assert limit.met({"x": figure}) is met
    assert limit.used({"x": figure}) == used


def test_a_key_leads_into_the_figures() -> None:
    assert Limit("p95_ms.1000", 1).figure({"p95_ms": {"1000": 7}}) == 7
    assert Limit("p95_ms.1000", 1).figure({"p95_ms": None}) is None


def test_the_last_object_of_a_log_is_the_result_whatever_follows_it() -> None:
    text = f"progress\n{json.dumps(result(p50_ms=1))}\n{json.dumps(result(p50_ms=2))}\n\nreal 3m1s\n"
    assert report.result_of(text, "a file")["p50_ms"] == 2


@pytest.mark.parametrize("text", ["", "nothing", json.dumps(result() | {"quick": True}), json.dumps(result("nothing"))])
def test_what_is_no_full_result_is_refused(text: str) -> None:
    with pytest.raises(NotThereError, match="a file"):
        report.result_of(text, "a file")


def test_a_fresh_result_is_compared_with_the_committed_one_however_often_it_is_measured() -> None:
    committed = {"results": {"submit": result(at="1", p50_ms=80), "deploy": result("deploy", at="1", seconds=9)}, "before": {}}
    once = report.merged(committed, committed, [result(at="2", p50_ms=70)])
    twice = report.merged(once, committed, [result(at="3", p50_ms=60)])
    assert twice["results"]["submit"]["p50_ms"] == 60
    assert twice["results"]["deploy"]["seconds"] == 9
    assert twice["before"]["submit"]["figures"]["p50_ms"] == 80
    assert "deploy" not in twice["before"]


def test_the_page_says_what_is_met_what_is_not_and_what_was_not_measured() -> None:
    kept = report.merged({}, {}, [result(p50_ms=80.5, p99_ms=301, per_second=25, lost=0)])
    text = report.page(kept, {"submit": "In the worker."})
    assert "| `submit` | `p50_ms` | 80.5 | ≤ 100 | yes |  |" in text
    assert "| `submit` | `p99_ms` | 301 | ≤ 300 | **no** |  |" in text
    assert "| `submit` | `per_second` | 25 | ≥ 25 | yes |  |" in text
    assert "| `submit` | `doubled` | – | 0 | not measured |  |" in text
    assert "### `submit`\n\nIn the worker." in text
    assert "`deploy`" in text.split("Not measured yet:")[1]


def test_a_result_on_postgresql_stands_below_the_usual_one_and_is_compared_with_its_own() -> None:
    committed = {"results": {"submit": result(at="1", p50_ms=80), "submit (PostgreSQL)": result(at="1", p50_ms=90, database="postgresql")}}
    kept = report.merged(committed, committed, [result(at="2", p50_ms=40, database="postgresql")])
    text = report.page(kept, {})
    usual, other = "| `submit` | `p50_ms` | 80 | ≤ 100 | yes |  |", "| `submit (PostgreSQL)` | `p50_ms` | 40 | ≤ 100 | yes | 90 |"
    assert text.index(usual) < text.index(other)


def test_a_ratio_to_another_program_stands_on_the_page_without_a_limit_once_it_is_known() -> None:
    kept = report.merged({}, {}, [result(over_mlflow={"request_p50_ms": 0.4})])
    text = report.page(kept, {})
    assert "| `submit` | `over_mlflow.request_p50_ms` | 0.4 | – |  |  |" in text
    assert "over_dstack" not in text


def test_the_kept_page_is_what_the_kept_figures_make() -> None:
    kept = json.loads((report.ROOT / report.KEPT).read_text(encoding="utf-8"))
    notes = {path.stem: path.read_text(encoding="utf-8").strip() for path in (report.ROOT / report.NOTES).glob("*.md")}
    assert (report.ROOT / report.PAGE).read_text(encoding="utf-8") == report.page(kept, notes), "python -m benchmarks report"


def test_the_picture_is_well_formed_and_marks_what_misses() -> None:
    text = drawn([Bar("a <b>", 0.5, "1"), Bar("c", float("inf"), "2")])
    xml.dom.minidom.parseString(text)
    assert text.count("#2f9e44") == 1 and text.count("#e03131") == 1


def test_a_file_that_is_not_there_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "none.log")]) == 1
    assert "nothing was written" in capsys.readouterr().err
