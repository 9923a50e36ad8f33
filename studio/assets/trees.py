"""A tree: the files of a folder by path, size, digest and mode, with a digest of its own.

Two folders with the same files have the same digest whatever order, owner or date they had. Free of Django.
"""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from studio.assets.paths import check_clashes, clean_path
from studio.assets.store import Blob, BlobStore, StoreError, is_digest

# 1980-01-01: the same for every file, so that streams are reproducible; and not 1970, which zip cannot write,
# so that tools which pack wheels or archives from a job's code do not stumble over its dates.
MODIFIED = 315_532_800
_BLOCK = 512


class TreeBroken(StoreError):
    """A tree names a content that the store does not hold as it should be."""


@dataclass(frozen=True, order=True)
class TreeFile:
    """One file: its path below the root, its size in bytes, its digest, and its mode (0o644 or 0o755)."""

    path: str
    size: int
    digest: str
    mode: int = 0o644

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Folder:
    """A folder within a listing, with what lies below it at any depth."""

    name: str
    path: str
    files: int
    size: int


@dataclass(frozen=True)
class Listing:
    """What one folder of a tree holds, folders and files each by name."""

    path: str
    folders: tuple[Folder, ...]
    files: tuple[TreeFile, ...]


@dataclass(frozen=True)
class Tree:
    """The files of a folder, sorted by path; raise `PathRefused` for paths that cannot be."""

    files: tuple[TreeFile, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.files, key=lambda file: file.path.encode()))
        for file in ordered:
            if clean_path(file.path) != file.path:
                raise ValueError(f"path not in its one spelling: {file.path!r}")
            if file.mode not in (0o644, 0o755) or file.size < 0 or not is_digest(file.digest):
                raise ValueError(f"not a file of a tree: {file!r}")
        check_clashes(file.path for file in ordered)
        object.__setattr__(self, "files", ordered)

    @cached_property
    def canonical(self) -> bytes:
        """Return the JSON whose sha256 is the tree's digest: keys sorted, no spaces, UTF-8."""
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @cached_property
    def digest(self) -> str:
        """Return `sha256:<hex>` of the canonical JSON."""
        return f"sha256:{hashlib.sha256(self.canonical).hexdigest()}"

    @property
    def size(self) -> int:
        """Return the size in bytes of all files together."""
        return sum(file.size for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the tree as plain JSON values; modes are numbers (420 is 0o644)."""
        return {"files": [{"path": f.path, "size": f.size, "digest": f.digest, "mode": f.mode} for f in self.files]}

    def file(self, path: str) -> TreeFile | None:
        """Return the file at a path, if there is one."""
        return self._by_path.get(path)

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        """Tell what lies at a path; the root is `""` or `.`."""
        path = "" if path == "." else path
        if path in self._by_path:
            return "file"
        prefix = f"{path}/" if path else ""
        return "folder" if any(file.path.startswith(prefix) for file in self.files) else None

    def subtree(self, path: str) -> "Tree":
        """Return the folder at a path as a tree of its own; a file becomes a tree of that one file."""
        if not path:
            return self
        if found := self.file(path):
            return Tree((TreeFile(found.name, found.size, found.digest, found.mode),))
        below = f"{path}/"
        inside = (file for file in self.files if file.path.startswith(below))
        return Tree(
            tuple(TreeFile(file.path.removeprefix(below), file.size, file.digest, file.mode) for file in inside)
        )

    def listing(self, path: str = "") -> Listing | None:
        """Return what the folder at a path holds, or None when there is no such folder."""
        prefix = f"{path}/" if path else ""
        files: list[TreeFile] = []
        folders: dict[str, list[int]] = {}
        for file in self.files:
            if not file.path.startswith(prefix):
                continue
            name, slash, _ = file.path.removeprefix(prefix).partition("/")
            if slash:
                count_and_size = folders.setdefault(name, [0, 0])
                count_and_size[0] += 1
                count_and_size[1] += file.size
            else:
                files.append(file)
        if path and not files and not folders:
            return None
        listed = (Folder(name, prefix + name, count, size) for name, (count, size) in sorted(folders.items()))
        return Listing(path, tuple(listed), tuple(files))

    @cached_property
    def _by_path(self) -> dict[str, TreeFile]:
        return {file.path: file for file in self.files}


def tree_from_dict(value: Any) -> Tree:
    """Make a tree from its JSON values; raise `ValueError` when they are not those of a tree."""
    try:
        files = tuple(
            TreeFile(str(f["path"]), int(f["size"]), str(f["digest"]), int(f["mode"])) for f in value["files"]
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not a tree") from error
    return Tree(files)


def save_tree(tree: Tree, store: BlobStore) -> Blob:
    """Keep the tree's canonical JSON in the store; its blob has the tree's digest."""
    return store.put(tree.canonical, expect=tree.digest)


def load_tree(digest: str, store: BlobStore) -> Tree:
    """Return the tree that was kept under a digest, or raise `BlobMissing`."""
    return tree_from_dict(json.loads(store.read(digest)))


def tar_size(tree: Tree) -> int:
    """Return the length in bytes of the tree's tar stream, for a Content-Length."""
    return sum(len(_tar_header(file)) + _padded(file.size) for file in tree.files) + 2 * _BLOCK


def tar_stream(tree: Tree, store: BlobStore) -> Iterator[bytes]:
    """Yield the tree as an uncompressed POSIX tar: plain files only, always the same bytes for the same tree."""
    for file in tree.files:
        yield _tar_header(file)
        yield from _content(file, store)
        if padding := _padded(file.size) - file.size:
            yield bytes(padding)
    yield bytes(2 * _BLOCK)


def zip_stream(tree: Tree, store: BlobStore, *, root: str = "") -> Iterator[bytes]:
    """Yield the tree as a zip, below a folder `root` if given, holding one chunk in memory at a time.

    Deflate with data descriptors (APPNOTE.TXT 4.4.4, bit 3), which every reader takes; zip64 where sizes need it.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in tree.files:
            entry = zipfile.ZipInfo(f"{root}/{file.path}" if root else file.path)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | file.mode) << 16
            entry.create_system = 3
            entry.file_size = file.size
            with archive.open(entry, "w") as member:
                for chunk in _content(file, store):
                    member.write(chunk)
                    yield from sink.take()
            yield from sink.take()
    yield from sink.take()


class _Sink(io.RawIOBase):
    """Where the zip writer writes: not seekable, emptied after every chunk."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        self._written.append(bytes(chunk))
        return len(chunk)

    def take(self) -> Iterator[bytes]:
        """Yield what was written since the last time."""
        written, self._written = b"".join(self._written), []
        if written:
            yield written


def _content(file: TreeFile, store: BlobStore) -> Iterator[bytes]:
    """Yield a file's bytes; raise `TreeBroken` when they are not as many as the tree says."""
    left = file.size
    for chunk in store.stream(file.digest):
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise TreeBroken(f"{file.path}: {file.digest} does not have {file.size} bytes")


def _tar_header(file: TreeFile) -> bytes:
    entry = tarfile.TarInfo(file.path)
    entry.size = file.size
    entry.mode = file.mode
    entry.mtime = MODIFIED
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
