"""Archives made to do harm are refused with a reason, and nothing of them is kept."""

import gzip
import io
import os
import stat
import struct
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.assets.archives import ArchiveRefused, Limits, tree_from_archive, tree_from_folder, tree_from_uploads
from studio.assets.paths import check_clashes
from studio.assets.store import BlobStore
from studio.assets.trees import Tree, tar_stream, zip_stream


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    packed.seek(0)
    return packed


def zipped_link(target: str) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("real/a.txt", b"a")
        link = zipfile.ZipInfo("real/link")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, target)
    packed.seek(0)
    return packed


def tarred(*entries: tuple[str, bytes | None, dict[str, object]], mode: str = "w") -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content, more in entries:
            entry = tarfile.TarInfo(name)
            for key, value in more.items():
                setattr(entry, key, value)
            if content is not None:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content or b""))
    packed.seek(0)
    return packed


def refused(source: io.BytesIO, store: BlobStore, **more: object) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as error:
        tree_from_archive(source, store, **more)  # type: ignore[arg-type]
    assert not list(store)
    assert not list(store.incoming.iterdir())
    assert error.value.text
    return error.value


def paths(tree: Tree) -> list[str]:
    return [file.path for file in tree.files]


HOSTILE_NAMES = [
    ("../evil", "archive-path-outside"),
    ("a/../../evil", "archive-path-outside"),
    ("a/../b", "archive-path-outside"),
    ("/etc/passwd", "archive-path-outside"),
    ("C:/x", "archive-path-outside"),
    ("c:x", "archive-path-outside"),
    ("a\nb", "archive-name-not-usable"),
    ("a\x1b[31m", "archive-name-not-usable"),
    ("txt.\u202eexe", "archive-name-not-usable"),
    ("x" * 256, "archive-name-not-usable"),
    ("/".join(["d" * 200] * 6), "archive-name-not-usable"),
    ("/".join(["d"] * 70), "archive-name-not-usable"),
]


@pytest.mark.parametrize(("name", "problem_id"), HOSTILE_NAMES)
def test_a_zip_with_a_hostile_name_is_refused(store: BlobStore, name: str, problem_id: str) -> None:
    assert refused(zipped({"fine": b"", name: b"x"}), store).problem_id == problem_id


@pytest.mark.parametrize(("name", "problem_id"), [*HOSTILE_NAMES, ("a\\..\\b", "archive-name-not-usable")])
def test_a_tar_with_a_hostile_name_is_refused(store: BlobStore, name: str, problem_id: str) -> None:
    assert refused(tarred(("fine", b"", {}), (name, b"x", {})), store).problem_id == problem_id


@pytest.mark.parametrize(("name", "problem_id"), HOSTILE_NAMES)
def test_an_upload_with_a_hostile_name_is_refused(store: BlobStore, name: str, problem_id: str) -> None:
    with pytest.raises(ArchiveRefused) as error:
        tree_from_uploads([("fine", io.BytesIO(b"")), (name, io.BytesIO(b"x"))], store)
    assert error.value.problem_id == problem_id
    assert not list(store)


def test_backslashes_of_a_zip_made_on_windows_are_folders_and_cannot_lead_out(store: BlobStore) -> None:
    packed = zipped({"src-a.py": b"x"}).getvalue()
    assert paths(tree_from_archive(io.BytesIO(packed.replace(b"src-a.py", b"src\\a.py")), store)) == ["src/a.py"]
    climbing = zipped({"..-..-x": b"x"}).getvalue().replace(b"..-..-x", b"..\\..\\x")
    with pytest.raises(ArchiveRefused) as error:
        tree_from_archive(io.BytesIO(climbing), store)
    assert error.value.problem_id == "archive-path-outside"


@pytest.mark.parametrize(
    "names", [("A.py", "a.py"), ("Src/a", "src/b"), ("\u00e9", "e\u0301"), ("\u00df", "ss"), ("a", "a/b"), ("a.py", "a\u200b.py"), ("b\u200e", "b")]
)
def test_names_that_are_one_on_some_file_system_are_refused(store: BlobStore, names: tuple[str, str]) -> None:
    assert refused(zipped(dict.fromkeys(names, b"x")), store).problem_id == "archive-name-clash"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused(store: BlobStore) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"harmless")
        archive.writestr("a", b"harmful")
    assert refused(packed, store).problem_id == "archive-name-clash"
    assert refused(tarred(("a", b"1", {}), ("./a", b"2", {})), store).problem_id == "archive-name-clash"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../real/../../x"])
def test_a_link_out_of_the_folder_is_refused(store: BlobStore, target: str) -> None:
    assert refused(zipped_link(target), store).problem_id == "archive-link-outside"
    linked = tarred(("real/link", None, {"type": tarfile.SYMTYPE, "linkname": target}))
    assert refused(linked, store).problem_id == "archive-link-outside"


def test_a_link_to_a_file_of_the_folder_becomes_that_file(store: BlobStore) -> None:
    tree = tree_from_archive(zipped_link("../real/a.txt"), store)
    assert paths(tree) == ["real/a.txt", "real/link"]
    assert tree.files[0].digest == tree.files[1].digest
    linked = tarred(
        ("first", None, {"type": tarfile.SYMTYPE, "linkname": "second"}),
        ("second", None, {"type": tarfile.SYMTYPE, "linkname": "./d/a"}),
        ("d/a", b"a", {}),
        ("hard", None, {"type": tarfile.LNKTYPE, "linkname": "d/a"}),
    )
    assert len({file.digest for file in tree_from_archive(linked, store).files}) == 1


@pytest.mark.parametrize("target", ["nowhere", ".", "../real", "link"])
def test_a_link_to_nothing_to_a_folder_or_to_itself_is_refused(store: BlobStore, target: str) -> None:
    assert refused(zipped_link(target), store).problem_id == "archive-link-unusable"


def test_a_hard_link_to_a_file_outside_is_refused(store: BlobStore) -> None:
    assert refused(tarred(("h", None, {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})), store).problem_id == (
        "archive-path-outside"
    )
    assert refused(tarred(("h", None, {"type": tarfile.LNKTYPE, "linkname": "later"})), store).problem_id == (
        "archive-link-unusable"
    )


def test_links_that_multiply_a_large_file_count_with_its_size(store: BlobStore) -> None:
    links = [(f"l{number}", None, {"type": tarfile.LNKTYPE, "linkname": "a"}) for number in range(9)]
    packed = tarred(("a", bytes(1000), {}), *links)
    assert refused(packed, store, limits=Limits(total_bytes=5000)).problem_id == "archive-too-large"


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE])
def test_devices_pipes_and_sparse_files_are_refused(store: BlobStore, kind: bytes) -> None:
    assert refused(tarred(("x", None, {"type": kind})), store).problem_id in (
        "archive-special-file",
        "archive-unreadable",
    )


def test_a_special_file_of_a_zip_is_refused(store: BlobStore) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        pipe = zipfile.ZipInfo("pipe")
        pipe.external_attr = (stat.S_IFIFO | 0o644) << 16
        archive.writestr(pipe, b"")
    assert refused(packed, store).problem_id == "archive-special-file"


def test_too_many_files_are_refused(store: BlobStore) -> None:
    limits = Limits(files=10)
    many = {str(number): b"" for number in range(11)}
    assert refused(zipped(many), store, limits=limits).problem_id == "archive-too-many-files"
    assert (
        refused(tarred(*((name, b"", {}) for name in many)), store, limits=limits).problem_id
        == "archive-too-many-files"
    )
    assert len(tree_from_archive(zipped({str(n): b"" for n in range(10)}), store, limits=limits).files) == 10


def test_a_list_of_files_too_long_to_be_read_is_refused_before_it_is_read(store: BlobStore) -> None:
    many = {f"{number:0900}": b"" for number in range(60)}
    packed = io.BytesIO(zipped(many).getvalue())
    assert refused(packed, store, limits=Limits(files=10)).problem_id == "archive-too-many-files"


def test_files_that_are_too_large_one_by_one_or_together_are_refused(store: BlobStore) -> None:
    one = Limits(file_bytes=100)
    assert refused(zipped({"a": bytes(101)}), store, limits=one).problem_id == "archive-too-large"
    assert refused(tarred(("a", bytes(101), {})), store, limits=one).problem_id == "archive-too-large"
    together = Limits(total_bytes=150)
    assert refused(zipped({"a": bytes(100), "b": bytes(100)}), store, limits=together).problem_id == "archive-too-large"
    assert refused(zipped({"a": b"x"}), store, limits=Limits(archive_bytes=10)).problem_id == "archive-too-large"


def test_an_archive_that_unpacks_to_far_more_than_it_holds_is_refused(store: BlobStore) -> None:
    limits = Limits(ratio=20, ratio_from_bytes=10_000)
    assert refused(zipped({"zeros": bytes(1_000_000)}), store, limits=limits).problem_id == "archive-bomb"
    bomb = tarred(("zeros", bytes(1_000_000), {}), mode="w:gz")
    assert refused(bomb, store, limits=limits).problem_id == "archive-bomb"


def test_what_is_left_out_may_be_no_bomb_either(store: BlobStore) -> None:
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=6) as file:
        head = tarfile.TarInfo(".git/zeros")
        head.size = 1 << 40
        file.write(head.tobuf())
        for _ in range(100):
            file.write(bytes(1 << 20))
    assert refused(bomb, store).problem_id == "archive-bomb"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE])
@pytest.mark.parametrize(("size", "count", "id"), [(4 << 20, 1, "archive-unreadable"), (200 << 10, 20, "archive-bomb")])
def test_an_archive_says_no_more_about_its_files_than_there_is_in_them(kind: bytes, size: int, count: int, id: str, store: BlobStore) -> None:
    head = tarfile.TarInfo("././@PaxHeader")
    head.type, head.size = kind, size
    said = head.tobuf(tarfile.USTAR_FORMAT) + b"8 a=123\n" * (size // 8)
    packed = gzip.compress(said * count + tarfile.TarInfo("a").tobuf() + bytes(1024), 1)
    assert refused(io.BytesIO(packed), store).problem_id == id


def test_ten_thousand_long_names_are_compared_in_no_time() -> None:
    folder = "/".join(["é" * 7] * 60)
    began = time.process_time()
    check_clashes(f"{folder}/{number}é" for number in range(10_000))
    assert time.process_time() - began < 2


def test_a_small_archive_of_repetitive_text_is_no_bomb(store: BlobStore) -> None:
    assert paths(tree_from_archive(zipped({"log": b"same line\n" * 1_000_000}), store)) == ["log"]


def test_entries_that_share_their_bytes_are_refused(store: BlobStore) -> None:
    packed = bytearray(zipped({"aaaa": b"x" * 50, "bbbb": b"y" * 50}, zipfile.ZIP_STORED).getvalue())
    second = packed.find(b"PK\x01\x02", packed.find(b"PK\x01\x02") + 1)
    struct.pack_into("<L", packed, second + 42, 0)  # the second entry claims the first one's place
    assert refused(io.BytesIO(bytes(packed)), store).problem_id in ("archive-bomb", "archive-unreadable")


@pytest.mark.parametrize("claimed", [3, 5_000_000])
def test_a_zip_that_lies_about_a_size_is_refused(store: BlobStore, claimed: int) -> None:
    packed = bytearray(zipped({"a": b"x" * 1000}).getvalue())
    struct.pack_into("<L", packed, packed.find(b"PK\x01\x02") + 24, claimed)
    assert refused(io.BytesIO(bytes(packed)), store).problem_id in ("archive-size-differs", "archive-unreadable")


def test_a_tar_that_is_cut_off_or_claims_more_than_it_holds_is_refused(store: BlobStore) -> None:
    whole = tarred(("a", b"x" * 5000, {})).getvalue()
    assert refused(io.BytesIO(whole[:3000]), store).problem_id in ("archive-unreadable", "archive-size-differs")
    assert refused(io.BytesIO(whole[: 512 + 5120]), store).problem_id == "archive-unreadable"
    packed = tarred(("a", b"x" * 5000, {}), mode="w:gz").getvalue()
    assert refused(io.BytesIO(packed[:-12]), store).problem_id == "archive-unreadable"


def test_a_tar_header_that_claims_gigabytes_gets_no_memory(store: BlobStore) -> None:
    entry = tarfile.TarInfo("x")
    entry.type = tarfile.XHDTYPE
    entry.size = 8 * 1024**3 - 1
    assert (
        refused(io.BytesIO(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(2048)), store).problem_id == "archive-unreadable"
    )


def test_an_endless_row_of_tar_headers_is_refused(store: BlobStore) -> None:
    entry = tarfile.TarInfo("x")
    entry.type = tarfile.XHDTYPE
    entry.size = 0
    assert refused(io.BytesIO(entry.tobuf(tarfile.USTAR_FORMAT) * 5000), store).problem_id == "archive-unreadable"


def test_an_encrypted_or_strangely_packed_zip_is_refused(store: BlobStore) -> None:
    packed = bytearray(zipped({"a": b"x"}, zipfile.ZIP_STORED).getvalue())
    packed[6] |= 1
    packed[packed.find(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refused(io.BytesIO(bytes(packed)), store).text
    assert refused(zipped({"a": b"x" * 100}, zipfile.ZIP_LZMA), store).problem_id == "archive-unreadable"


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04", b"\x1f\x8b", gzip.compress(b"hello", mtime=0), b"\x7fELF" + bytes(600)]
)
def test_what_is_no_archive_is_refused(store: BlobStore, content: bytes) -> None:
    assert refused(io.BytesIO(content), store).problem_id in ("archive-kind-unknown", "archive-unreadable")


def test_a_zip_entry_without_a_name_is_refused(store: BlobStore) -> None:
    packed = zipped({"abcd": b"x"}).getvalue().replace(b"abcd", b"\0bcd")
    assert refused(io.BytesIO(packed), store).problem_id == "archive-name-not-usable"


def test_an_empty_archive_is_an_empty_tree(store: BlobStore) -> None:
    assert tree_from_archive(zipped({}), store).files == ()
    assert tree_from_archive(tarred(), store).files == ()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_come_through_whatever_the_kind_of_tar(store: BlobStore, mode: str, form: int) -> None:
    name = "/".join(["folder" * 20] * 4) + "/\u00e4.py"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = 3, 0o700
        archive.addfile(entry, io.BytesIO(b"abc"))
    packed.seek(0)
    (file,) = tree_from_archive(packed, store).files
    assert (file.path, file.size, file.mode) == (name, 3, 0o755)


def test_the_folder_around_everything_is_taken_off_when_asked(store: BlobStore) -> None:
    files = {"job/.gitignore": b"*.log\n", "job/src/a.py": b"", "job/x.log": b""}
    assert paths(tree_from_archive(zipped(files), store, strip_top=True)) == [".gitignore", "src/a.py"]
    assert paths(tree_from_archive(zipped(files | {"b": b""}), store, strip_top=True))[0] == "b"


def test_repositories_and_notes_of_the_finder_are_left_out(store: BlobStore) -> None:
    files = {".git/config": b"secret", "sub/.git/HEAD": b"", "__MACOSX/._a": b"", "a": b"", ".gitignore": b"!.git\n"}
    assert paths(tree_from_archive(zipped(files), store)) == [".gitignore", "a"]


def test_uploads_keep_their_paths_and_are_kept_once(store: BlobStore) -> None:
    tree = tree_from_uploads([("src/a", io.BytesIO(b"same")), ("./b", io.BytesIO(b"same"))], store)
    assert paths(tree) == ["b", "src/a"]
    assert len(list(store)) == 1


def test_a_folder_is_read_without_following_links_out(store: BlobStore, tmp_path: Path) -> None:
    root = tmp_path / "code"
    (root / "src").mkdir(parents=True)
    (root / "src" / "run.sh").write_text("#!/bin/sh\n")
    (root / "src" / "run.sh").chmod(0o755)
    (root / "start").symlink_to("src/run.sh")
    tree = tree_from_folder(root, store)
    assert [(file.path, file.mode) for file in tree.files] == [("src/run.sh", 0o755), ("start", 0o755)]
    (root / "out").symlink_to("/etc/hostname")
    with pytest.raises(ArchiveRefused) as error:
        tree_from_folder(root, store)
    assert (error.value.problem_id, error.value.path) == ("archive-link-outside", "out")


def test_a_pipe_in_a_folder_is_refused_and_not_opened(store: BlobStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveRefused) as error:
        tree_from_folder(tmp_path, BlobStore(tmp_path.parent / "elsewhere"))
    assert error.value.problem_id == "archive-special-file"


def test_ignored_files_of_a_folder_are_not_even_opened(store: BlobStore, tmp_path: Path) -> None:
    root = tmp_path / "code"
    (root / "venv").mkdir(parents=True)
    os.mkfifo(root / "venv" / "pipe")
    (root / "a.py").write_text("")
    (root / ".amlignore").write_text("venv/\n")
    assert paths(tree_from_folder(root, store)) == [".amlignore", "a.py"]


FILES = st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e/f/g", "h.txt"]), st.binary(max_size=500), max_size=5)


@settings(max_examples=50, deadline=None)
@given(FILES)
def test_every_way_in_gives_the_same_tree_and_every_way_out_leads_back(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, root = BlobStore(Path(folder) / "blobs"), Path(folder) / "code"
        root.mkdir()
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        tree = tree_from_folder(root, store)
        assert {file.path: store.read(file.digest) for file in tree.files} == files
        assert tree == tree_from_uploads([(path, io.BytesIO(content)) for path, content in files.items()], store)
        assert tree == tree_from_archive(zipped(files), store)
        for stream in (tar_stream, zip_stream):
            assert tree == tree_from_archive(io.BytesIO(b"".join(stream(tree, store))), store)
        assert tree == tree_from_archive(io.BytesIO(gzip.compress(b"".join(tar_stream(tree, store)))), store)


SEEDS: list[Callable[[], io.BytesIO]] = [
    lambda: zipped({"a/b": b"x" * 300, "c": b"y"}),
    lambda: tarred(("a/b", b"x" * 300, {}), ("l", None, {"type": tarfile.SYMTYPE, "linkname": "a/b"})),
    lambda: tarred(("\u00e4" * 120, b"x" * 300, {}), mode="w:gz"),
]


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, 2),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.booleans(),
)
def test_damaged_archives_are_read_or_refused_and_never_lead_out(
    which: int, damage: list[tuple[float, int]], cut: bool
) -> None:
    packed = bytearray(
        SEEDS[which]().getvalue().rstrip(b"\0") + bytes(1024) if which == 1 else SEEDS[which]().getvalue()
    )
    for at, value in damage:
        packed[int(at * len(packed))] = value
    if cut and damage:
        del packed[int(damage[0][0] * len(packed)) :]
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(Path(folder))
        try:
            tree = tree_from_archive(io.BytesIO(bytes(packed)), store)
        except ArchiveRefused:
            assert not list(store)
        else:
            for file in tree.files:
                assert not file.path.startswith("/") and ".." not in file.path.split("/")
                assert store.size(file.digest) == file.size
        assert not list(store.incoming.iterdir())


def test_a_bomb_within_the_deflate_stream_stops_at_the_limit(store: BlobStore) -> None:
    deflated = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = deflated.compress(tarred(("z", bytes(3_000_000), {})).getvalue()) + deflated.flush()
    limits = Limits(total_bytes=1_000_000)
    assert refused(io.BytesIO(packed), store, limits=limits).problem_id == "archive-too-large"
