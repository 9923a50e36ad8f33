import hashlib
import io
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from studio.assets.store import BlobMissing, BlobStore, BlobTooLarge, DigestDiffers


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("source", [b"abc", io.BytesIO(b"abc"), [b"a", b"", b"bc"]])
def test_it_keeps_bytes_streams_and_chunks_under_the_digest_of_their_content(store: BlobStore, source: object) -> None:
    blob = store.put(source)  # type: ignore[arg-type]
    assert (blob.digest, blob.size) == (digest_of(b"abc"), 3)
    assert store.read(blob.digest) == b"abc"
    assert store.size(blob.digest) == 3


def test_it_keeps_the_same_content_once(store: BlobStore) -> None:
    first, second = store.put(b"same"), store.put(b"same")
    assert first == second
    assert list(store) == [first.digest]
    assert not list(store.incoming.iterdir())


def test_it_leaves_nothing_when_the_limit_is_passed(store: BlobStore) -> None:
    with pytest.raises(BlobTooLarge):
        store.put([b"x" * 10, b"x" * 10], limit=15)
    assert not list(store)
    assert not list(store.incoming.iterdir())


def test_it_refuses_content_that_is_not_the_one_announced(store: BlobStore) -> None:
    with pytest.raises(DigestDiffers):
        store.put(b"other", expect=digest_of(b"announced"))
    assert not list(store)
    assert not list(store.incoming.iterdir())


def test_it_leaves_nothing_when_the_source_breaks_off(store: BlobStore) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.put(broken())
    assert not list(store.incoming.iterdir())


def test_it_says_that_a_blob_is_missing_and_never_follows_a_path_in_a_digest(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for digest in (digest_of(b"nowhere"), "sha256:../../secret", "../secret", "", "sha256:" + "A" * 64):
        assert not store.has(digest)
        with pytest.raises(BlobMissing):
            store.open(digest)


def test_it_streams_a_part_of_a_blob(store: BlobStore) -> None:
    digest = store.put(bytes(range(256)) * 4096).digest
    assert b"".join(store.stream(digest, 10, 300_000)) == (bytes(range(256)) * 4096)[10:300_000]
    assert b"".join(store.stream(digest, 5, 5)) == b""


def test_a_reader_keeps_reading_a_blob_that_is_deleted(store: BlobStore) -> None:
    digest = store.put(b"going").digest
    with store.open(digest) as file:
        assert store.delete(digest)
        assert file.read() == b"going"
    assert not store.delete(digest)


def test_it_finds_a_blob_whose_content_changed(store: BlobStore) -> None:
    digest = store.put(b"true").digest
    assert store.verify(digest)
    path = store.path(digest)
    os.chmod(path, 0o600)
    path.write_bytes(b"fake")
    assert not store.verify(digest)


def test_it_sweeps_what_crashed_writers_left_and_spares_what_is_being_written(store: BlobStore) -> None:
    (store.incoming / "left").write_bytes(b"x")
    os.utime(store.incoming / "left", (0, 0))
    with store.writer() as writer:
        writer.write(b"fresh")
        assert store.sweep() == 1
        assert store.has(writer.commit().digest)


def test_a_batch_is_visible_at_its_end_and_not_before(store: BlobStore) -> None:
    with store.batch() as batch:
        blobs = [batch.put(f"{number}".encode()) for number in range(20)]
        batch.put(b"7")
        assert not list(store)
    assert set(store) == {blob.digest for blob in blobs}
    assert not list(store.incoming.iterdir())


def test_a_batch_that_fails_leaves_nothing(store: BlobStore) -> None:
    with pytest.raises(RuntimeError), store.batch() as batch:
        batch.put(b"x")
        raise RuntimeError
    assert not list(store)
    assert not list(store.incoming.iterdir())


def _put_many(root: Path) -> None:
    store = BlobStore(root)
    for number in range(40):
        store.put(f"content {number}".encode())


def test_many_processes_put_the_same_contents_at_once(store: BlobStore) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(store.root,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    digests = list(store)
    assert len(digests) == 40
    assert all(store.verify(digest) for digest in digests)
    assert not list(store.incoming.iterdir())


def _put_for_ever(root: Path) -> None:
    store = BlobStore(root)
    number = 0
    while True:
        store.put(f"{number}".encode() * 200_000)
        number += 1


def test_a_writer_killed_at_any_moment_leaves_only_whole_blobs(store: BlobStore) -> None:
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_put_for_ever, args=(store.root,))
    worker.start()
    deadline = time.monotonic() + 60
    while sum(1 for _ in store) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.kill()
    worker.join(10)
    assert all(store.verify(digest) for digest in store)
    store.sweep(older_than_seconds=0)
    assert not list(store.incoming.iterdir())
