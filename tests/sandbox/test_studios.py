from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import databases, process
from compute import manifests, permissions
from compute.extension import release
from compute.kube import names
from endpoints import routing
from sandbox import studios
from sandbox.cli import main
from sandbox.cluster import Record
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.places import ClusterPlace


@pytest.fixture
def data(tmp_path: Path, place: ClusterPlace) -> Path:
    """Give a data folder whose studio the cluster knows."""
    Record(place.name, "simulated", "1.36.3", 4).save(place)
    folder = tmp_path / "data"
    folder.mkdir()
    studios.remember(place.name, "abc", folder)
    return folder


def gone() -> list[str]:
    return [one.identity for one in studios.gone("one")]


def test_a_studio_is_known_by_its_data_folder(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert studios.identity_of(data) == "abc" and gone() == []
    assert (data / studios.MARKER).stat().st_mode & 0o777 == 0o600
    assert main(["studios", "--name", "one", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"studios": [{"identity": "abc", "data": str(data), "gone": False}]}


def test_one_whose_data_folder_was_deleted_is_gone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(data)
    assert gone() == ["abc"]
    main(["studios", "--name", "one"])
    assert f"gone  {data}" in capsys.readouterr().out


def test_one_whose_data_folder_another_has_now_is_gone(data: Path) -> None:
    shutil.rmtree(data)
    data.mkdir()
    studios.remember("one", "def", data)
    assert gone() == ["abc"]


def test_one_whose_data_folder_was_moved_is_followed(data: Path) -> None:
    moved = data.rename(data.with_name("moved"))
    assert gone() == ["abc"]  # until it is started there
    studios.remember("one", studios.identity_of(moved), moved)
    assert gone() == [] and [one.data for one in studios.known("one")] == [moved]


def database(folder: Path, identity: str) -> None:
    with closing(sqlite3.connect(folder / studios.DATABASE)) as made:
        made.execute("create table compute_studioidentity (id integer primary key, value varchar(16))")
        made.execute("insert into compute_studioidentity (value) values (?)", (identity,))
        made.commit()


def test_one_whose_backup_was_put_back_is_not_gone(data: Path) -> None:
    shutil.rmtree(data)
    data.mkdir()
    database(data, "abc")  # all that a backup brings
    assert gone() == [] and studios.identity_of(data) == "abc"


def test_the_database_says_it_before_the_file_does(data: Path) -> None:
    database(data, "def")  # the backup of another studio, put back over this one
    assert studios.identity_of(data) == "def" and gone() == ["abc"]
    studios.remember("one", "def", data)
    assert (data / studios.MARKER).read_text() == "def\n"


def test_one_of_a_test_or_a_measurement_is_remembered_by_the_database_that_it_has(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(folder: Path) -> process.StudioProcess:
        running: Any = SimpleNamespace(poll=lambda: None)
        status = {"mode": "simulated", "name": "one"}
        return process.StudioProcess("", "", "", "", folder, tmp_path / "log", client=running, process=running, sandbox=status)

    monkeypatch.delenv(databases.SERVER, raising=False)
    studios.forget("one", data)
    database(data, "def")
    started(data)._be_remembered()
    elsewhere = tmp_path / "elsewhere"  # its database is on a server
    elsewhere.mkdir()
    monkeypatch.setattr(process, "rows", lambda folder, sql: [("123",)] if (folder, sql) == (elsewhere, process.IDENTITY) else [])
    started(elsewhere)._be_remembered()
    assert {one.identity: one.data for one in studios.known("one")} == {"def": data, "123": elsewhere} and gone() == []
    shutil.rmtree(elsewhere)
    assert gone() == ["123"]


def test_one_that_has_left_nothing_is_forgotten(data: Path) -> None:
    studios.forget("one", data)
    assert studios.known("one") == []


def test_a_cluster_that_does_not_run_is_not_swept_and_keeps_what_it_knows(data: Path) -> None:
    shutil.rmtree(data)
    with pytest.raises(SandboxError, match="does not run"):
        studios.sweep("one", studios.gone("one"), Console(quiet=True))
    assert gone() == ["abc"]


def test_with_nothing_gone_nothing_is_asked_of_the_cluster(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--name", "one"]) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_a_cluster_that_was_never_made_here_remembers_nobody(state: Path, tmp_path: Path) -> None:
    studios.remember("elsewhere", "abc", tmp_path)
    assert studios.known("elsewhere") == [] and studios.identity_of(tmp_path) == ""


def test_its_words_are_those_of_the_studio() -> None:
    from compute import router

    assert {studios.LABEL} == {manifests.STUDIO, routing.STUDIO}
    assert (studios.SYSTEM, studios.RELEASE) == (release.NAMESPACE, release.RELEASE) and manifests.SYSTEM_NAMESPACE == studios.SYSTEM
    assert (studios.GATEWAY, studios.GATEWAY_CLASS) == (router.GATEWAY, router.GATEWAY_CLASS)
    assert studios.TYPES == permissions.CRD_NAME
    assert f"{names.MANAGED_BY}={names.MANAGER}" == studios.MANAGED
    assert (names.WORKSPACE, names.COMPUTE) == (studios.WORKSPACE, studios.COMPUTE)
