"""Remove content that nothing refers to any more: what deleted jobs left, and snapshots that nobody used.

Each app registers what its rows refer to. Nothing younger than a day goes, and whoever is about to refer to content
makes it young first (`BlobStore.touch`), so that no upload, submission or registration loses what it was told is here.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog
from django.db import transaction
from django.db.models import RestrictedError

from studio.assets.models import Blob, ModelVersion, Snapshot
from studio.assets.services import store
from studio.assets.store import BlobMissing
from studio.assets.trees import load_tree

log = structlog.get_logger(__name__)

DAY = 86_400.0
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Under the app's name: the digests that its rows refer to, of files and of trees alike.
HOLDERS: dict[str, Callable[[], Iterator[str]]] = {}


def collect(*, older_than_seconds: float = DAY) -> int:
    """Remove snapshots and blobs that nothing refers to; return how many blobs went. May be cut off anywhere, or run twice."""
    age = max(older_than_seconds, 0.0)
    _drop_snapshots(_named(), age)
    # Read only now: a snapshot that was spared above keeps its files.
    held = _named() | _in_snapshots()
    gone = [digest for digest in store() if _key(digest) not in held and store().delete_old(digest, older_than_seconds=age)]
    for start in range(0, len(gone), 500):
        Blob.objects.filter(digest__in=gone[start : start + 500]).delete()
    left = store().sweep(older_than_seconds=max(age, 1.0))
    if gone or left:
        log.info("content collected", blobs=len(gone), left_over=left)
    return len(gone)


def digests_in(values: Iterable[Any]) -> Iterator[str]:
    """Yield every digest that is written anywhere in values of JSON."""
    for value in values:
        yield from _DIGEST.findall(str(value))


def _named() -> set[bytes]:
    """Return what rows refer to by name, as bytes: a third of the memory."""
    named = {_key(digest) for holder in HOLDERS.values() for digest in holder()}
    versions = ModelVersion.objects.values_list("snapshot__digest", flat=True)
    return named | {_key(digest) for digest in versions.iterator()}


def _drop_snapshots(named: set[bytes], age: float) -> None:
    for row in Snapshot.objects.values_list("pk", "digest").iterator():
        pk, digest = row
        if _key(digest) in named or not store().is_old(digest, age):
            continue
        # Alone with the store: who finds the row after this finds its tree young, and it stays.
        with store().locked(exclusive=True):
            if store().is_old(digest, age):
                _drop(pk)


def _drop(pk: int) -> None:
    try:
        with transaction.atomic():
            Snapshot.objects.filter(pk=pk).delete()
    except RestrictedError:
        # A model was registered from it a moment ago.
        return


def _in_snapshots() -> set[bytes]:
    """Return the trees of all snapshots, and their files."""
    held: set[bytes] = set()
    for digest in Snapshot.objects.values_list("digest", flat=True).distinct().iterator():
        held.add(_key(digest))
        try:
            held |= {_key(file.digest) for file in load_tree(digest, store()).files}
        except BlobMissing:
            log.warning("a snapshot's tree is gone", digest=digest)
    return held


def _key(digest: str) -> bytes:
    text = digest.removeprefix("sha256:")
    return bytes.fromhex(text) if len(text) == 64 else text.encode()
