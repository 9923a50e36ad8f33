"""A file of the data folder is replaced whole, whoever reads or writes it meanwhile."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from studio.accounts.management.commands.mooring_first_start import kept_token
from studio.core.files import replace_file
from studio.core.secrets import fingerprints, note_keys, noted_keys


def test_who_has_it_open_reads_the_old_one_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "run" / "one.json"
    replace_file(path, "old " * 10_000)
    with path.open(encoding="utf-8") as held:
        assert held.read(4) == "old "
        replace_file(path, "new")
        assert held.read() == "old " * 9_999
    assert path.read_text(encoding="utf-8") == "new" and [each.name for each in path.parent.iterdir()] == ["one.json"]


def test_one_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    replace_file(path, "old", mode=0o600)
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "old" and list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_on_the_disk_before_it_takes_the_others_place_and_so_is_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real, synced = tmp_path / "one.json", os.fsync, []

    def watched(descriptor: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.append(("the folder" if name == tmp_path else name.read_text(encoding="utf-8"), path.exists()))
        real(descriptor)

    monkeypatch.setattr("os.fsync", watched)
    replace_file(path, "new")
    assert synced == [("new", False), ("the folder", True)]


@pytest.mark.parametrize("left", ["", "{", "5", "[]"])
def test_what_a_machine_without_power_left_of_them_keeps_no_studio_from_starting(left: str, tmp_path: Path, settings: Any) -> None:
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()
    for name in ("keys.json", "cli-token.json"):
        (tmp_path / "run" / name).write_text(left)
    assert noted_keys() == []
    assert kept_token(tmp_path / "run" / "cli-token.json") == {}


def test_what_tells_the_keys_apart_is_never_half_written(tmp_path: Path, settings: Any) -> None:
    settings.DATA = tmp_path
    note_keys()
    with (tmp_path / "run" / "keys.json").open("rb", buffering=0) as held:
        start = held.read(1)
        settings.ENCRYPTION_KEYS = ["another", *settings.ENCRYPTION_KEYS]
        note_keys()
        assert json.loads(start + held.read()) == fingerprints()[1:]
    assert noted_keys() == fingerprints()
