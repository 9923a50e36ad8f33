from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import cluster, given
from sandbox.cli import main
from sandbox.cluster import Record, Wish
from sandbox.console import Console
from sandbox.errors import SandboxError, tail
from sandbox.places import ClusterPlace, write_text
from sandbox.simulated import SimulatedNodes


def test_the_status_of_a_cluster_that_never_was_is_absent(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--name", "nowhere", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "absent"
    assert found["images"] == {}


def test_a_remembered_cluster_that_does_not_run_is_down(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Record("one", "simulated", "1.36.3", 4).save(ClusterPlace.of("one"))
    assert main(["status", "--name", "one", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "down"
    assert found["simulated"] is True
    assert found["server"] == "https://127.0.0.1:26040"


def test_a_failure_names_its_part_the_log_and_what_to_do(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubeconfig", "--name", "nowhere"]) == 1
    said = capsys.readouterr().err
    assert "cluster: there is no cluster" in said
    assert "what to do: Run" in said


def test_a_failure_is_an_object_with_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--name", "one", "--gpu-nodes", "2", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["part"] == "nodes"
    assert found["todo"] == "Add --simulated N."


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "x" * 31, "nämé"])
def test_it_refuses_a_name_that_is_no_folder_name(name: str) -> None:
    with pytest.raises(SystemExit):
        main(["status", "--name", name])


def test_down_of_a_cluster_that_is_not_there_does_nothing(state: Path) -> None:
    assert main(["down", "--name", "nowhere", "--quiet"]) == 0


def test_it_refuses_to_turn_one_version_into_another(state: Path, console: Console) -> None:
    Record("one", "simulated", "1.34.4", 1).save(ClusterPlace.of("one"))
    with pytest.raises(SandboxError, match=r"not a simulated one with 1\.36\.3"):
        cluster.up(Wish("one", "1.36", SimulatedNodes(1)), console)


def test_a_given_kubeconfig_that_is_not_there_is_named(state: Path, console: Console) -> None:
    with pytest.raises(SandboxError, match="there is no kubeconfig at /nonexistent"):
        cluster.up(Wish(kubeconfig="/nonexistent"), console)


def test_its_own_kubeconfig_is_not_taken_for_a_given_cluster(state: Path) -> None:
    assert given.is_own(str(ClusterPlace.of("main").kubeconfig))
    assert not given.is_own("/home/someone/.kube/config")


def test_a_cluster_stays_what_it_is_when_nothing_is_said_about_it(state: Path) -> None:
    found = Record("one", "simulated", "1.34.4", 1)
    assert cluster._mode(Wish("one"), found) == "simulated"
    assert cluster._version(None, found, Console(quiet=True)) == "1.34.4"


def test_a_given_cluster_leaves_the_one_made_here_alone(state: Path, console: Console) -> None:
    place = ClusterPlace.of("one")
    Record("one", "full", "1.36.3", 7).save(place)
    cluster._recorded(Wish("one", kubeconfig="/some/kubeconfig"), place, console)
    assert Record.load(place) == Record("one", "given", given="/some/kubeconfig")
    own = Record.load_own(place)
    assert own is not None
    assert own.slot == 7


def test_two_clusters_get_two_slots(state: Path) -> None:
    Record("one", "simulated", "1.36.3", cluster._slot("one")).save(ClusterPlace.of("one"))
    assert cluster._slot("two") != Record.load(ClusterPlace.of("one")).slot  # type: ignore[union-attr]


def test_a_kubeconfig_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write_text(tmp_path / "kubeconfig", "secret", 0o600)
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o777 == 0o600


def test_the_end_of_a_log_has_no_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join(f"line {number}\n" for number in range(40)))
    assert tail(tmp_path / "a.log", 3) == ["line 37", "line 38", "line 39"]
    assert tail(tmp_path / "absent.log") == []
