"""Settings from the environment: what is wrong is said, and keys are made once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from studio import environment as env


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("MOORING_X", "other")
    monkeypatch.setenv("MOORING_X_FILE", str(tmp_path / "key"))
    assert env.text("MOORING_X") == "s3cret"


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_X_FILE", str(tmp_path / "missing"))
    with pytest.raises(env.SettingError, match="MOORING_X_FILE"):
        env.text("MOORING_X", "default")


@pytest.mark.parametrize(("text", "value"), [("", True), ("YES", True), ("0", False), ("off", False)])
def test_a_flag_is_read_as_people_write_it(text: str, value: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_X", text)
    assert env.flag("MOORING_X", True) is value


def test_a_flag_that_is_neither_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_X", "maybe")
    with pytest.raises(env.SettingError, match="MOORING_X must be true or false"):
        env.flag("MOORING_X")


def test_a_number_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_X", "many")
    with pytest.raises(env.SettingError, match="MOORING_X must be a whole number"):
        env.number("MOORING_X", 1)


def test_a_database_is_named_by_its_address(tmp_path: Path) -> None:
    assert env.database("", tmp_path)["NAME"] == str(tmp_path / "mooring.sqlite3")
    found = env.database("postgresql://me:p%40ss@db:5433/studio", tmp_path)
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"], found["NAME"]) == ("me", "p@ss", "db", "5433", "studio")
    with pytest.raises(env.SettingError, match="DATABASE_URL"):
        env.database("mysql://x/y", tmp_path)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret_key"
    key = env.kept_key(path)
    assert len(key) > 40 and env.kept_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a container the process always has the same id.
    monkeypatch.setattr("os.getpid", lambda: 1)
    (tmp_path / ".secret_key.1").write_text("half")
    assert len(env.kept_key(tmp_path / "secret_key")) > 40


def test_an_empty_key_is_told_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "encryption_keys").write_text("\n")
    with pytest.raises(env.SettingError, match="encryption_keys is empty"):
        env.kept_key(tmp_path / "encryption_keys", "fernet")


def _key(path: str) -> str:
    return env.kept_key(Path(path))


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        keys = pool.map(_key, [str(tmp_path / "secret_key")] * 16, chunksize=1)
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
