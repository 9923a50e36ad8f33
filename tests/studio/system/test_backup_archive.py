"""The file of a backup: what is whole comes back as it was, and nothing else is taken."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from studio.system.backup.archive import ABOUT, SUMS, ArchiveError, Writer, unpack

KNOWN = ("keys", "runs")
FILES = {"keys/secret_key": b"secret", "runs/1/2-std_log.txt": b"a line\n" * 10_000, "runs/empty": b""}


def archive(files: dict[str, bytes] = FILES, *, packed: bool = False) -> bytes:
    out = io.BytesIO()
    with Writer(out, {"at": "now"}, packed=packed) as writer:
        for name, content in files.items():
            writer.add_bytes(name, content)
    return out.getvalue()


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_written_comes_back_for_its_owner_alone(tmp_path: Path, packed: bool) -> None:
    assert unpack(io.BytesIO(archive(packed=packed)), tmp_path, KNOWN) == {"format": 1, "at": "now"}
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == FILES
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")} == {0o600, 0o700}


def test_only_so_much_of_a_growing_file_is_taken_as_was_said(tmp_path: Path) -> None:
    out = io.BytesIO()
    with Writer(out, {}) as writer:
        writer.add(io.BytesIO(b"a line\nand what came since"), "runs/log", 7)
    unpack(io.BytesIO(out.getvalue()), tmp_path, KNOWN)
    assert (tmp_path / "runs/log").read_bytes() == b"a line\n"


@pytest.mark.parametrize("kept", [0, 100, 700, 5_000, -11_000])
def test_one_that_was_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    with pytest.raises(ArchiveError, match=r"cannot be read|end is missing"):
        unpack(io.BytesIO(archive()[:kept]), tmp_path, KNOWN)


def test_an_error_while_it_is_written_leaves_it_without_an_end(tmp_path: Path) -> None:
    out = io.BytesIO()
    with pytest.raises(OSError, match="unexpected end"), Writer(out, {}) as writer:
        writer.add(io.BytesIO(b"short"), "runs/log", 7)
    with pytest.raises(ArchiveError):
        unpack(io.BytesIO(out.getvalue()), tmp_path, KNOWN)


@pytest.mark.parametrize("name", ["keys/my key", "runs/../x", "keys/" + "a" * 500])
def test_a_name_that_could_not_be_put_back_is_refused_when_it_is_written(name: str) -> None:
    with pytest.raises(ArchiveError, match="cannot be put back"):
        archive({name: b""})


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    whole = archive().replace(b"\0secret\0", b"\0sEcret\0").replace(b"a line", b"A line", 1)
    with pytest.raises(ArchiveError, match="SHA-256 differs"):
        unpack(io.BytesIO(whole), tmp_path, KNOWN)


def _foreign(*members: tuple[tarfile.TarInfo, bytes], about: bytes = b'{"format": 1}') -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, content in ((tarfile.TarInfo(ABOUT), about), *members):
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    out.seek(0)
    return out


def _named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (_named("../evil"), "no place"), (_named("/etc/evil"), "no place"), (_named("runs/../../evil"), "no place"),
        (_named("runs//evil"), "no place"), (_named("runs/./evil"), "no place"), (_named("evil"), "no place"),
        (_named("run/evil"), "no place"), (_named("runs/\x1b[31m"), "no place"), (_named("runs/.hidden"), "no place"),
        (_named("runs/link", tarfile.SYMTYPE, "/etc"), "plain file"), (_named("runs/link", tarfile.LNKTYPE, "/etc/passwd"), "plain file"),
        (_named("runs/device", tarfile.CHRTYPE), "plain file"), (_named("runs/pipe", tarfile.FIFOTYPE), "plain file"),
        (_named("runs/folder", tarfile.DIRTYPE), "plain file"), (_named("runs/" + "a" * 600), "no place"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_backup_is_refused(tmp_path: Path, member: tarfile.TarInfo, why: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(ArchiveError, match=why):
        unpack(_foreign((member, b"")), inner, KNOWN)
    assert list(tmp_path.rglob("*")) == [inner]


def test_what_is_not_in_the_sums_or_twice_or_after_them_is_refused(tmp_path: Path) -> None:
    for number, (members, why) in enumerate([
        (((_named("runs/a"), b""), (_named(SUMS), b"")), r"differs|afterwards"),
        (((_named("runs/a"), b""), (_named("runs/a"), b"")), "twice"),
        (((_named(SUMS), b""), (_named("runs/a"), b"")), "more after"),
        (((_named(SUMS), b"00  runs/gone\n"),), "is not in it"),
    ]):  # fmt: skip
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ArchiveError, match=why):
            unpack(_foreign(*members), folder, KNOWN)


@pytest.mark.parametrize("about", [b"{", b"[]", b"{}", json.dumps({"format": 2}).encode()])
def test_another_format_is_told(tmp_path: Path, about: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"JSON|format"):
        unpack(_foreign(about=about), tmp_path, KNOWN)
