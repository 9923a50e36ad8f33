import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.assets.paths import PathRefused, check_clashes, clean_path
from studio.assets.store import BlobStore
from studio.assets.trees import (
    Tree,
    TreeBroken,
    TreeFile,
    load_tree,
    save_tree,
    tar_size,
    tar_stream,
    tree_from_dict,
    zip_stream,
)

NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/\\"), min_size=1, max_size=12
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def usable(path: str) -> bool:
    try:
        return clean_path(path) == path
    except PathRefused:
        return False


def without_clashes(contents: dict[str, bytes]) -> bool:
    try:
        check_clashes(contents)
    except PathRefused:
        return False
    return True


CONTENTS = st.dictionaries(PATHS.filter(usable), st.binary(max_size=2000), max_size=8).filter(without_clashes)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def grown(store: BlobStore, contents: dict[str, bytes]) -> Tree:
    return Tree(tuple(TreeFile(path, len(content), store.put(content).digest) for path, content in contents.items()))


@settings(max_examples=60, deadline=None)
@given(CONTENTS)
def test_what_is_packed_as_tar_and_as_zip_is_what_comes_out(contents: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(Path(folder))
        tree = grown(store, contents)
        packed = b"".join(tar_stream(tree, store))
        assert len(packed) == tar_size(tree)
        assert packed == b"".join(tar_stream(tree, store))
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            assert all(entry.isreg() for entry in archive)
            assert {entry.name: archive.extractfile(entry).read() for entry in archive} == contents  # type: ignore[union-attr]
        with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(tree, store)))) as unzipped:
            assert {entry.filename: unzipped.read(entry) for entry in unzipped.infolist()} == contents
        assert load_tree(save_tree(tree, store).digest, store) == tree


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), CONTENTS)
def test_a_tree_has_the_same_digest_in_whatever_order_its_files_came(shuffled, contents: dict[str, bytes]) -> None:  # type: ignore[no-untyped-def]
    files = [TreeFile(path, len(content), "sha256:" + "0" * 64) for path, content in contents.items()]
    first = Tree(tuple(files))
    shuffled.shuffle(files)
    assert Tree(tuple(files)).digest == first.digest
    assert tree_from_dict(first.as_dict()) == first


def test_the_mode_and_the_path_are_part_of_the_digest() -> None:
    digest = "sha256:" + "0" * 64
    digests = {
        Tree((TreeFile("a", 1, digest),)).digest,
        Tree((TreeFile("a", 1, digest, 0o755),)).digest,
        Tree((TreeFile("b", 1, digest),)).digest,
        Tree(()).digest,
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a/../b", "C:/x", "a\\b", "a\nb", "", ".", "a//b", "x" * 256, "\u202eexe.txt"]
)
def test_a_tree_takes_no_path_that_could_lead_out_or_deceive(path: str) -> None:
    with pytest.raises(ValueError):
        Tree((TreeFile(path, 0, "sha256:" + "0" * 64),))


def test_a_listing_shows_one_folder_with_what_lies_below(store: BlobStore) -> None:
    tree = grown(store, {"a.py": b"1", "src/b.py": b"22", "src/deep/c.py": b"333", "srcs/d.py": b"4444"})
    root = tree.listing()
    assert root is not None
    assert [(folder.path, folder.files, folder.size) for folder in root.folders] == [("src", 2, 5), ("srcs", 1, 4)]
    assert [file.name for file in root.files] == ["a.py"]
    source = tree.listing("src")
    assert source is not None
    assert [folder.path for folder in source.folders] == ["src/deep"]
    assert [file.path for file in source.files] == ["src/b.py"]
    assert tree.listing("nowhere") is None
    assert tree.listing("a.py") is None


def test_a_subtree_is_the_folder_or_the_one_file(store: BlobStore) -> None:
    tree = grown(store, {"src/b.py": b"22", "src/deep/c.py": b"333", "srcs/d.py": b"4"})
    assert [file.path for file in tree.subtree("src").files] == ["b.py", "deep/c.py"]
    assert [file.path for file in tree.subtree("src/deep/c.py").files] == ["c.py"]
    assert (tree.kind("src"), tree.kind("src/b.py"), tree.kind("sr"), tree.kind("")) == (
        "folder",
        "file",
        None,
        "folder",
    )


def test_a_stream_breaks_off_rather_than_hand_out_a_content_of_another_size(store: BlobStore) -> None:
    digest = store.put(b"three").digest
    for size in (4, 6):
        with pytest.raises(TreeBroken):
            list(tar_stream(Tree((TreeFile("a", size, digest),)), store))


def test_streams_come_in_bounded_chunks(store: BlobStore) -> None:
    tree = grown(store, {"large": bytes(8 * 1024 * 1024)})
    assert max(map(len, tar_stream(tree, store))) <= 256 * 1024
    assert max(map(len, zip_stream(tree, store))) <= 512 * 1024


def test_executable_files_stay_executable(store: BlobStore) -> None:
    tree = Tree((TreeFile("run.sh", 1, store.put(b"#").digest, 0o755),))
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(tree, store)))) as archive:
        assert archive.getmember("run.sh").mode == 0o755
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(tree, store, root="job")))) as unzipped:
        assert unzipped.getinfo("job/run.sh").external_attr >> 16 & 0o777 == 0o755
