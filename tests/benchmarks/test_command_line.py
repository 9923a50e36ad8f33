"""What may be asked of `python -m benchmarks`, and what it prints last."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

import benchmarks.submit
import tests.postgresql
from benchmarks import databases
from benchmarks.__main__ import asked, main, parser
from benchmarks.everything import runs
from benchmarks.studio import NotMeasuredError


def test_it_refuses_a_name_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2
    assert "live_logs" in capsys.readouterr().err


def test_it_measures_in_full_unless_asked_to_be_quick() -> None:
    assert parser().parse_args(["submit"]).quick is False
    assert parser().parse_args(["submit", "--quick", "--json"]).quick is True


def test_the_last_line_is_one_json_object_with_the_machine_and_the_commit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(benchmarks.submit, "run", lambda **options: given.update(options) or {"p50_ms": 1.5, "settings": {"n": 1}})

    assert main(["submit", "--quick"]) == 0

    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert given == {"quick": True}
    assert (result["name"], result["p50_ms"], result["quick"]) == ("submit", 1.5, True)
    assert result["machine"].keys() >= {"cpu", "cores", "memory_mb", "kernel", "python"}
    assert result["commit"]


def test_a_benchmark_that_measures_seconds_gives_its_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(benchmarks.submit, "run", lambda **options: {"seconds": 4.5})
    assert main(["submit", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["seconds"] == 4.5 and result["took_seconds"] < 4.5


def test_with_json_nothing_else_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(benchmarks.submit, "run", lambda **options: {"p50_ms": 1.5})
    main(["submit", "--json"])
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_could_not_be_measured_says_why_and_prints_no_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**options: Any) -> dict[str, Any]:
        raise NotMeasuredError("no cluster")

    monkeypatch.setattr(benchmarks.submit, "run", refuse)
    assert main(["submit", "--json"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "no cluster" in told.err


@pytest.mark.parametrize(
    "words",
    [["submit", "--full"], ["ingest", "--seeds", "2"], ["log_loss", "--seeds", "0"], ["watch", "--database", "postgresql"]],
)
def test_what_one_benchmark_does_not_know_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        asked(words)
    assert ended.value.code == 2
    assert words[1] in capsys.readouterr().err


def test_a_result_on_postgresql_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []
    monkeypatch.setattr(benchmarks.submit, "run", lambda **options: seen.append(databases.named()) or {"p50_ms": 1.5})

    @contextlib.contextmanager
    def server(*, durable: bool = False) -> Iterator[str]:
        assert durable
        yield "postgresql://somewhere"

    monkeypatch.setattr(tests.postgresql, "server", server)
    assert main(["submit", "--database", "postgresql", "--json"]) == 0
    assert main(["submit", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each.get("database") for each in told] == ["postgresql", None]
    assert seen == ["postgresql", "sqlite"]


def test_everything_is_measured_on_both_databases_where_that_says_something() -> None:
    found = runs(["job_list", "ingest"])
    assert found == {
        "job_list": ["job_list", "--full"],
        "job_list-postgresql": ["job_list", "--full", "--database", "postgresql"],
        "ingest": ["ingest"],
    }
