"""Files kept by the digest of their content: each content once, never half written.

A blob lies at `<root>/sha256/<first two hex digits>/<the rest>`; what is being written lies in `<root>/incoming`.
A name appears only after its bytes are on the disk (write, fsync, rename, fsync of the folder), so a crash leaves
at worst a file in `incoming`, which `sweep` removes. Free of Django.
"""

import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from studio.core.files import sync_folder

CHUNK = 256 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class StoreError(Exception):
    """A blob could not be kept or found; `problem_id` names the reason."""

    problem_id = "internal"


class BlobMissing(StoreError):
    """There is no blob of this digest."""


class BlobTooLarge(StoreError):
    """The source held more bytes than allowed."""

    problem_id = "archive-too-large"


class DigestDiffers(StoreError):
    """The bytes are not the ones that were announced."""

    problem_id = "blob-digest-differs"


@dataclass(frozen=True)
class Blob:
    """The digest (`sha256:<hex>`) and the size in bytes of one content."""

    digest: str
    size: int


def is_digest(text: str) -> bool:
    """Tell whether the text is a digest as this store writes them."""
    return _DIGEST.fullmatch(text) is not None


class BlobWriter:
    """One blob being written; it becomes visible at `commit` and leaves nothing when abandoned."""

    def __init__(self, store: "BlobStore", *, limit: int | None = None) -> None:
        self._store = store
        self._limit = limit
        self._hash = hashlib.sha256()
        self.size = 0
        descriptor, name = tempfile.mkstemp(dir=store.incoming)
        self._file: BinaryIO = os.fdopen(descriptor, "wb", buffering=CHUNK)
        self.staged = Path(name)

    def write(self, chunk: bytes) -> None:
        """Append bytes; raise `BlobTooLarge` as soon as the limit is passed."""
        self.size += len(chunk)
        if self._limit is not None and self.size > self._limit:
            raise BlobTooLarge(f"more than {self._limit} bytes")
        self._hash.update(chunk)
        self._file.write(chunk)

    def close(self, *, expect: str | None = None) -> Blob:
        """End the writing without publishing; raise `DigestDiffers` when the content is not the expected one."""
        self._file.close()
        blob = Blob(f"sha256:{self._hash.hexdigest()}", self.size)
        if expect is not None and blob.digest != expect:
            self.abandon()
            raise DigestDiffers(f"announced {expect}, received {blob.digest}")
        return blob

    def commit(self, *, expect: str | None = None) -> Blob:
        """Publish what was written, durable when this returns."""
        blob = self.close(expect=expect)
        self._store.publish({blob.digest: self.staged})
        return blob

    def abandon(self) -> None:
        """Remove what was written, unless it was published."""
        self._file.close()
        self.staged.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abandon()


class BlobStore:
    """A folder of blobs that any number of processes may use at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.incoming = self.root / "incoming"
        self.blobs = self.root / "sha256"
        for folder in (self.incoming, self.blobs):
            folder.mkdir(parents=True, exist_ok=True)

    def writer(self, *, limit: int | None = None) -> BlobWriter:
        """Start a blob whose bytes come piece by piece; use it in a `with`."""
        return BlobWriter(self, limit=limit)

    def put(
        self, source: BinaryIO | bytes | Iterable[bytes], *, expect: str | None = None, limit: int | None = None
    ) -> Blob:
        """Keep the content of a stream, of bytes or of chunks; content that is there already costs no space."""
        with self.writer(limit=limit) as writer:
            for chunk in chunks(source):
                writer.write(chunk)
            return writer.commit(expect=expect)

    def batch(self) -> "Batch":
        """Collect many blobs that are published together at the end of a `with`, or not at all."""
        return Batch(self)

    def path(self, digest: str) -> Path:
        """Return where the blob of a digest lies or would lie."""
        if not is_digest(digest):
            raise BlobMissing(f"not a digest: {digest[:80]!r}")
        hexadecimal = digest.removeprefix("sha256:")
        return self.blobs / hexadecimal[:2] / hexadecimal[2:]

    def has(self, digest: str) -> bool:
        """Tell whether the content of a digest is kept."""
        return is_digest(digest) and self.path(digest).is_file()

    def size(self, digest: str) -> int:
        """Return the size in bytes of a blob, or raise `BlobMissing`."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading, or raise `BlobMissing`."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    def read(self, digest: str) -> bytes:
        """Return the whole of a small blob."""
        with self.open(digest) as file:
            return file.read()

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield a blob, or the bytes from `start` up to but not including `end`, in bounded chunks."""
        with self.open(digest) as file:
            file.seek(start)
            left = None if end is None else end - start
            while chunk := file.read(CHUNK if left is None else max(0, min(CHUNK, left))):
                left = None if left is None else left - len(chunk)
                yield chunk

    def verify(self, digest: str) -> bool:
        """Read a blob and tell whether its content still has its digest."""
        hashed = hashlib.sha256()
        for chunk in self.stream(digest):
            hashed.update(chunk)
        return f"sha256:{hashed.hexdigest()}" == digest

    def delete(self, digest: str) -> bool:
        """Remove a blob; readers that have it open keep reading. False when it was not there."""
        try:
            self.path(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    def touch(self, digest: str) -> bool:
        """Make a blob young again before something is said to refer to it; False when it is not there."""
        if not is_digest(digest):
            return False
        with self.locked():
            try:
                os.utime(self.path(digest))
            except FileNotFoundError:
                return False
        return True

    def delete_old(self, digest: str, *, older_than_seconds: float) -> bool:
        """Remove a blob that nobody has published or touched for so long; looked at again while nobody can do so."""
        with self.locked(exclusive=True):
            return self.is_old(digest, older_than_seconds) and self.delete(digest)

    def is_old(self, digest: str, seconds: float) -> bool:
        """Tell whether a blob is there and was neither published nor touched for so long."""
        try:
            return time.time() - self.path(digest).stat().st_mtime >= seconds
        except FileNotFoundError:
            return False

    @contextmanager
    def locked(self, *, exclusive: bool = False) -> Iterator[None]:
        """Hold the lock between those who refer to blobs (shared) and who collects them (alone), over all processes."""
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def __iter__(self) -> Iterator[str]:
        """Yield the digest of every blob, in no promised order."""
        for folder in self.blobs.iterdir():
            for blob in folder.iterdir() if folder.is_dir() else ():
                digest = f"sha256:{folder.name}{blob.name}"
                if is_digest(digest):
                    yield digest

    def sweep(self, *, older_than_seconds: float = 86_400) -> int:
        """Remove what crashed writers left in `incoming`; return how many files went."""
        gone = 0
        for left_over in self.incoming.iterdir():
            try:
                if time.time() - left_over.stat().st_mtime >= older_than_seconds:
                    left_over.unlink()
                    gone += 1
            except FileNotFoundError:
                continue
        return gone

    def publish(self, staged: dict[str, Path]) -> None:
        """Move finished files from `incoming` to their digests, durable and visible when this returns."""
        with self.locked():
            self._publish(staged)

    def _publish(self, staged: dict[str, Path]) -> None:
        fresh = {}
        for digest, source in staged.items():
            try:
                os.utime(self.path(digest))  # young again, so that a collection by age spares what is in use
                source.unlink(missing_ok=True)
            except FileNotFoundError:
                fresh[digest] = source
        if len(fresh) > 1:
            # fsync waits for the disk, not for the interpreter: side by side a thousand files take seconds.
            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(_make_durable, fresh.values()))
        else:
            for source in fresh.values():
                _make_durable(source)
        folders = {self.path(digest).parent for digest in fresh}
        for folder in folders:
            folder.mkdir(exist_ok=True)
        for digest, source in fresh.items():
            source.replace(self.path(digest))
        for folder in {*folders, self.blobs} if fresh else ():
            sync_folder(folder)


class Batch:
    """Blobs that become visible together when the `with` ends well, and leave nothing when it does not."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._staged: dict[str, Path] = {}

    def put(self, source: BinaryIO | bytes | Iterable[bytes], *, limit: int | None = None) -> Blob:
        """Stage one content and return its digest and size."""
        with self._store.writer(limit=limit) as writer:
            for chunk in chunks(source):
                writer.write(chunk)
            blob = writer.close()
            if blob.digest not in self._staged:
                kept = writer.staged.with_name(f"{writer.staged.name}.staged")
                writer.staged.rename(kept)
                self._staged[blob.digest] = kept
            return blob

    def read(self, digest: str) -> bytes:
        """Return the whole of a small content staged here."""
        return self._staged[digest].read_bytes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._store.publish(self._staged)
        finally:
            for left_over in self._staged.values():
                left_over.unlink(missing_ok=True)


def chunks(source: BinaryIO | bytes | Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a stream, of bytes or of an iterable of bytes in bounded chunks."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield bytes(source)
    elif hasattr(source, "read"):
        while chunk := source.read(CHUNK):
            yield chunk
    else:
        yield from source


def _make_durable(path: Path) -> None:
    """Force a finished file to the disk and make it read-only."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.fchmod(descriptor, 0o444)
    finally:
        os.close(descriptor)
