"""Files that strangers send become a tree: every archive is taken for hostile until it is read.

`tree_from_archive` takes zip, tar and tar.gz, `tree_from_uploads` a browser's files, `tree_from_folder` a local folder.
Nothing is kept in the store unless the whole is accepted. Nothing is ever unpacked into a folder, so no path of an
archive reaches the file system. Free of Django.
"""

import gzip
import os
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from studio.assets import ignore
from studio.assets.paths import PATH_BYTES, PathRefused, clean_path, shown
from studio.assets.store import CHUNK, Batch, BlobStore, BlobTooLarge
from studio.assets.trees import Tree, TreeFile

MIB = 1024 * 1024
_LINKS_FOLLOWED = 16
# Behind a tar's end zeros fill its last record up; records of many MiB are for tape drives.
_PADDING = 16 * MIB
# What a tar may say about its files beside them: extended headers (PAX) of any size and number cost ten times what they hold.
_HEADS_BYTES = MIB
_HEAD_BYTES = 4096


class ArchiveRefused(Exception):
    """Files that are not accepted: the problem's id, the path it is about (may be empty), and a sentence."""

    def __init__(self, problem_id: str, path: str, text: str) -> None:
        super().__init__(text)
        self.problem_id = problem_id
        self.path = shown(path)
        self.text = text


@dataclass(frozen=True)
class Limits:
    """How much is accepted; the original stops at 300 MB and 2,000 files for a job's code."""

    files: int = 10_000
    total_bytes: int = 1024 * MIB
    file_bytes: int = 1024 * MIB
    archive_bytes: int = 1024 * MIB
    # Deflate reaches 1032:1 on zeros alone; what is packed 200:1 and large when unpacked holds nothing a job needs.
    ratio: int = 200
    ratio_from_bytes: int = 64 * MIB


LIMITS = Limits()


def tree_from_archive(source: BinaryIO, store: BlobStore, *, limits: Limits = LIMITS, strip_top: bool = False) -> Tree:
    """Make a tree of a zip, tar or tar.gz; with `strip_top` a single folder around everything is taken off.

    The source must be seekable. Raise `ArchiveRefused` with the reason, and keep nothing, when it is not accepted.
    """
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    if size > limits.archive_bytes:
        raise ArchiveRefused("archive-too-large", "", f"The archive is larger than {_mib(limits.archive_bytes)}.")
    head = source.read(512)
    source.seek(0)
    with _gathering(store, limits, packed=size) as gathering:
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            _read_zip(source, gathering)
        elif head[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=source) as unpacked:
                _read_tar(unpacked, gathering)
        elif head[257:262] == b"ustar" or (len(head) == 512 and not any(head)):
            _read_tar(source, gathering)
        else:
            raise ArchiveRefused("archive-kind-unknown", "", "This is neither a zip nor a tar nor a tar.gz.")
        return gathering.finish(strip_top=strip_top)


def tree_from_uploads(
    files: Iterable[tuple[str, BinaryIO]], store: BlobStore, *, limits: Limits = LIMITS, strip_top: bool = False
) -> Tree:
    """Make a tree of files sent one by one, each with its path; raise `ArchiveRefused` as for archives."""
    with _gathering(store, limits) as gathering:
        for path, stream in files:
            if cleaned := gathering.admit(path):
                gathering.add(cleaned, stream)
        return gathering.finish(strip_top=strip_top)


def tree_from_folder(root: Path, store: BlobStore, *, limits: Limits = LIMITS) -> Tree:
    """Make a tree of a folder on this machine; what its ignore files leave out is not even opened."""
    root = Path(root).resolve()
    with _gathering(store, limits) as gathering:
        rules = ignore.Ignore(lambda path: _small_file(root / path))
        _read_folder(root, "", rules, gathering)
        return gathering.finish(ignored_already=True)


@contextmanager
def _gathering(store: BlobStore, limits: Limits, packed: int | None = None) -> Iterator["_Gathering"]:
    """Collect files into a batch, telling every kind of refusal in one way."""
    try:
        with store.batch() as batch:
            yield _Gathering(batch, limits, packed)
    except (PathRefused, ignore.IgnoreRefused) as error:
        raise ArchiveRefused(error.problem_id, error.path, error.text) from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveRefused("archive-unreadable", "", f"The archive is damaged: {shown(str(error))}.") from error
    except (
        EOFError,
        struct.error,
        NotImplementedError,
        ValueError,
        LookupError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ArchiveRefused("archive-unreadable", "", "The archive is damaged or cut off.") from error


class _Gathering:
    """The files accepted so far, and how much more may come."""

    def __init__(self, batch: Batch, limits: Limits, packed: int | None) -> None:
        self.limits = limits
        self._batch = batch
        self._packed = packed
        self._files: dict[str, TreeFile] = {}
        self._links: dict[str, str] = {}
        self._seen = 0
        self._size = 0

    def most_unpacked(self) -> int:
        """Return how much an archive may unpack to in all: what is taken, as much again of what is left out, and its padding."""
        most = 2 * self.limits.total_bytes
        if self._packed is not None:
            most = min(most, max(self.limits.ratio_from_bytes, self._packed * self.limits.ratio))
        return most + _PADDING

    def admit(self, path: str, *, backslashes: bool = False) -> str | None:
        """Count one entry and return its path in its one spelling; None for what is always left out."""
        self._seen += 1
        if self._seen > self.limits.files:
            raise ArchiveRefused("archive-too-many-files", "", f"There are more than {self.limits.files:,} files.")
        cleaned = clean_path(path, backslashes=backslashes)
        return None if ignore.ALWAYS.intersection(cleaned.split("/")) else cleaned

    def add(self, path: str, stream: BinaryIO, *, declared: int | None = None, mode: int = 0o644) -> None:
        """Read one file, refusing it as soon as it passes a limit or contradicts its declared size."""
        self._check_new(path)
        left = self.limits.total_bytes - self._size
        allowed = min(self.limits.file_bytes, left)
        if declared is not None and declared > allowed:
            self._too_large(path, left)
        if self._packed is not None:
            # The ratio is that of the whole archive so far: it stops a bomb while it unpacks, not after.
            allowed = min(allowed, max(self.limits.ratio_from_bytes, self._packed * self.limits.ratio) - self._size)
        try:
            blob = self._batch.put(stream, limit=allowed if declared is None else min(allowed, declared))
        except BlobTooLarge:
            if declared is not None and declared <= allowed:
                self._differs(path)
            if allowed < min(self.limits.file_bytes, left):
                text = f"Unpacked it is more than {self.limits.ratio} times as large as packed (at {shown(path)})."
                raise ArchiveRefused("archive-bomb", path, text) from None
            self._too_large(path, left)
        if declared is not None and blob.size != declared:
            self._differs(path)
        self._size += blob.size
        self._files[path] = TreeFile(path, blob.size, blob.digest, 0o755 if mode & 0o111 else 0o644)

    def add_link(self, path: str, target: str) -> None:
        """Note a symbolic link; it is replaced by the file it points to once all files are there."""
        self._check_new(path)
        if len(target.encode("utf-8", "surrogateescape")) > PATH_BYTES:
            raise ArchiveRefused("archive-link-unusable", path, f"The link {shown(path)} has an over-long target.")
        self._links[path] = target

    def add_hard_link(self, path: str, target: str) -> None:
        """Add a second name of a file that came before."""
        self._check_new(path)
        if (first := self._files.get(clean_path(target))) is None:
            raise ArchiveRefused(
                "archive-link-unusable", path, f"{shown(path)} is a link to a file that did not come before it."
            )
        self._count(path, first.size)
        self._files[path] = TreeFile(path, first.size, first.digest, first.mode)

    def finish(self, *, strip_top: bool = False, ignored_already: bool = False) -> Tree:
        """Follow the links, take off the folder around everything, leave out what is ignored, and make the tree."""
        for path in self._links:
            found = self._follow(path)
            self._count(path, found.size)
            self._files[path] = TreeFile(path, found.size, found.digest, found.mode)
        files = list(self._files.values())
        if strip_top and files:
            tops = {file.path.partition("/")[0] for file in files}
            if len(tops) == 1 and all("/" in file.path for file in files):
                cut = len(tops.pop()) + 1
                files = [TreeFile(file.path[cut:], file.size, file.digest, file.mode) for file in files]
        if not ignored_already:
            by_path = {file.path: file for file in files}
            rules = ignore.Ignore(lambda path: self._ignore_file(by_path.get(path)))
            files = [file for file in files if not rules.file(file.path)]
        return Tree(tuple(files))

    def _follow(self, path: str) -> TreeFile:
        """Return the file a link stands for, through other links if need be."""
        at = path
        for _ in range(_LINKS_FOLLOWED):
            target = self._links[at]
            joined = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
            if target.startswith("/") or joined == ".." or joined.startswith("../"):
                text = f"The link {shown(path)} points to {shown(target)}, outside the folder."
                raise ArchiveRefused("archive-link-outside", path, text)
            if joined in self._files:
                return self._files[joined]
            if joined not in self._links:
                below = f"{joined}/"
                folder = joined == "." or any(file.startswith(below) for file in (*self._files, *self._links))
                what = "a folder" if folder else "something that is not there"
                raise ArchiveRefused("archive-link-unusable", path, f"The link {shown(path)} points to {what}.")
            at = joined
        raise ArchiveRefused("archive-link-unusable", path, f"The link {shown(path)} goes round in circles.")

    def _ignore_file(self, file: TreeFile | None) -> bytes | None:
        if file is None:
            return None
        if file.size > ignore.FILE_BYTES:
            raise ignore.IgnoreRefused(file.path, f"{shown(file.path)} is larger than {ignore.FILE_BYTES // 1024} KiB.")
        return self._batch.read(file.digest)

    def _check_new(self, path: str) -> None:
        if path in self._files or path in self._links:
            raise ArchiveRefused("archive-name-clash", path, f"{shown(path)} is there twice.")

    def _count(self, path: str, size: int) -> None:
        """Count a link's content as if it were a file: whoever unpacks the tree gets it in full."""
        if self._size + size > self.limits.total_bytes:
            self._too_large(path, self.limits.total_bytes - self._size)
        self._size += size

    def _too_large(self, path: str, left: int) -> None:
        if left < self.limits.file_bytes:
            text = f"The files are more than {_mib(self.limits.total_bytes)} together (at {shown(path)})."
        else:
            text = f"{shown(path)} is larger than {_mib(self.limits.file_bytes)}."
        raise ArchiveRefused("archive-too-large", path, text)

    def _differs(self, path: str) -> None:
        raise ArchiveRefused("archive-size-differs", path, f"{shown(path)} is not as long as the archive says.")


def _read_zip(source: BinaryIO, gathering: _Gathering) -> None:
    _check_zip_directory(source, gathering.limits)
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
        _check_overlaps(entries)
        for entry in entries:
            mode = entry.external_attr >> 16
            if entry.filename.endswith("/") or entry.filename.startswith(
                "__MACOSX/"
            ):  # Finder's own notes, not the person's files
                continue
            if (path := gathering.admit(entry.filename, backslashes=True)) is None:
                continue
            if entry.flag_bits & 0x1:
                raise ArchiveRefused("archive-unreadable", path, f"{shown(path)} is encrypted.")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArchiveRefused("archive-unreadable", path, f"{shown(path)} is packed in an unusual way.")
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise ArchiveRefused("archive-special-file", path, f"{shown(path)} is not a plain file.")
            with archive.open(entry) as stream:
                if stat.S_ISLNK(mode):
                    gathering.add_link(path, stream.read(PATH_BYTES + 1).decode("utf-8", "surrogateescape"))
                else:
                    gathering.add(path, cast(BinaryIO, stream), declared=entry.file_size, mode=mode)


def _check_overlaps(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that share bytes: the way one small file is made to unpack to petabytes."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ArchiveRefused(
                "archive-bomb", entry.filename, f"{shown(entry.filename)} shares its bytes with another file."
            )
        end = entry.header_offset + 30 + entry.compress_size


def _check_zip_directory(source: BinaryIO, limits: Limits) -> None:
    """Refuse a directory of files too long to be read into memory, before it is read (APPNOTE.TXT 4.3.14–4.3.16)."""
    size = source.seek(0, os.SEEK_END)
    tail_at = max(0, size - 65_557 - 20)
    source.seek(tail_at)
    tail = source.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise ArchiveRefused("archive-unreadable", "", "The archive is damaged: it has no list of files at its end.")
    directory_size = struct.unpack_from("<L", tail, at + 12)[0]
    locator = tail[at - 20 : at] if at >= 20 else b""
    if locator[:4] == b"PK\x06\x07":
        source.seek(struct.unpack_from("<Q", locator, 8)[0])
        record = source.read(56)
        if record[:4] != b"PK\x06\x06" or len(record) < 56:
            raise ArchiveRefused(
                "archive-unreadable", "", "The archive is damaged: its list of files is not where it says."
            )
        directory_size = struct.unpack_from("<Q", record, 40)[0]
    source.seek(0)
    if directory_size > limits.files * 2 * (46 + PATH_BYTES):
        raise ArchiveRefused("archive-too-many-files", "", f"There are more than {limits.files:,} files.")


def _read_tar(source: BinaryIO | gzip.GzipFile, gathering: _Gathering) -> None:
    forward = _Forward(source, gathering.most_unpacked())
    with tarfile.open(fileobj=cast(BinaryIO, forward), mode="r:", errors="surrogateescape") as archive:
        while (entry := forward.head_of(archive)) is not None:
            vars(archive)["members"].clear()  # tarfile keeps every entry it has seen
            if entry.isdir():
                if entry.name not in (".", "./", ""):
                    gathering.admit(entry.name)
                continue
            if (path := gathering.admit(entry.name)) is None:
                continue
            if entry.issym():
                gathering.add_link(path, entry.linkname)
            elif entry.islnk():
                gathering.add_hard_link(path, entry.linkname)
            elif entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
                stream = archive.extractfile(entry)
                if stream is not None:
                    gathering.add(path, cast(BinaryIO, stream), declared=entry.size, mode=entry.mode)
            else:
                raise ArchiveRefused("archive-special-file", path, f"{shown(path)} is not a plain file.")
    forward.finish()


class _Forward:
    """A source read once from front to end, in bounded reads: a header that claims gigabytes gets none of them.

    Also what is skipped (a folder of version control, say) has to be unpacked: beyond `most` bytes it is a bomb.
    """

    def __init__(self, source: BinaryIO | gzip.GzipFile, most: int) -> None:
        self._source = source
        self._most = most
        self._at = 0
        self._last = b""
        # From the start: opening an archive reads its first head.
        self._in_head = True
        self._heads = 0
        self._allowed = _HEADS_BYTES

    def head_of(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        """Read what the archive says of its next file; None at its end."""
        self._allowed += _HEAD_BYTES
        self._in_head = True
        try:
            return archive.next()
        finally:
            self._in_head = False

    def finish(self) -> None:
        """Refuse a tar that does not end as tars do: one cut off between two files would lose the rest unseen.

        Reads the padding behind the end too, so that a gzip's checksum is compared.
        """
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("its end is missing")
        until = self._at + _PADDING
        while self._at < until:
            if not self._take(CHUNK):
                return
        raise tarfile.ReadError("something follows its end")

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:
            raise tarfile.ReadError("a header is too large")
        chunk = self._take(size)
        if self._in_head:
            self._heads += len(chunk)
            if self._heads > self._allowed:
                raise ArchiveRefused("archive-bomb", "", "It says more about its files than there is in them.")
        return chunk

    def _take(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self._at += len(chunk)
        if self._at > self._most:
            raise ArchiveRefused("archive-bomb", "", f"Unpacked it is more than {_mib(self._most)}, with what would be left out.")
        self._last = chunk[: tarfile.BLOCKSIZE + 1]
        return chunk

    def tell(self) -> int:
        return self._at

    def seek(self, to: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or to < self._at:
            raise tarfile.ReadError("entries are out of order")
        while self._at < to and self._take(min(CHUNK, to - self._at)):
            pass
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _read_folder(root: Path, base: str, rules: ignore.Ignore, gathering: _Gathering) -> None:
    for entry in sorted(os.scandir(root / base), key=lambda entry: entry.name):
        path = f"{base}/{entry.name}" if base else entry.name
        if entry.is_dir(follow_symlinks=False):
            if not rules.folder(path):
                _read_folder(root, path, rules, gathering)
            continue
        if rules.file(path) or (cleaned := gathering.admit(path)) is None:
            continue
        if entry.is_symlink():
            target = str(Path(entry.path).readlink())
            gathering.add_link(cleaned, target)
        elif entry.is_file(follow_symlinks=False):
            # A file that was swapped for a link or a pipe after the check is not followed and does not block.
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                gathering.add(cleaned, stream, mode=os.fstat(descriptor).st_mode)
        else:
            raise ArchiveRefused("archive-special-file", path, f"{shown(path)} is not a plain file.")


def _small_file(path: Path) -> bytes | None:
    """Return an ignore file's content, one byte more than is allowed at most."""
    try:
        with path.open("rb") as file:
            return file.read(ignore.FILE_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _mib(size: int) -> str:
    return f"{size // MIB} MiB" if size >= MIB else f"{size} bytes"
