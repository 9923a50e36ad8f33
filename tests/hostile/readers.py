"""Who reads what strangers send: each takes it, or refuses it with a problem; and how much time and memory that may take."""

from __future__ import annotations

import contextlib
import io
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from compute.kube.config import KubeconfigRefused, connection, contexts
from endpoints.spec import load_deployment, load_endpoint
from jobs.spec import SpecError, load
from studio.assets.archives import ArchiveRefused, tree_from_archive
from studio.assets.paths import PathRefused, check_clashes, clean_path
from studio.assets.store import BlobStore

SECONDS = 2.0
MEMORY_KIB = 200 * 1024
TAKEN = "taken"


def _job(raw: bytes) -> None:
    load(raw)


def _endpoint(raw: bytes) -> None:
    load_endpoint(raw)


def _deployment(raw: bytes) -> None:
    load_deployment(raw)


def _kubeconfig(raw: bytes) -> None:
    contexts(raw)
    connection(raw)


def _archive(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(Path(folder))
        try:
            tree = tree_from_archive(io.BytesIO(raw), store)
        except ArchiveRefused:
            assert not list(store), "a refused archive left something"
            raise
        finally:
            assert not list(store.incoming.iterdir())
        for file in tree.files:
            assert not file.path.startswith("/") and ".." not in file.path.split("/") and store.size(file.digest) == file.size


def _name(raw: bytes) -> None:
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "surrogateescape")
    check_clashes([clean_path(line) for line in text.split("\n") if line])


READERS: dict[str, Callable[[bytes], None]] = {
    "archive": _archive, "deployment": _deployment, "endpoint": _endpoint, "job": _job, "kubeconfig": _kubeconfig, "name": _name,
}  # fmt: skip


def read(reader: str, raw: bytes) -> str:
    """Return `taken`, or the problem with which it is refused; anything else that happens is raised."""
    try:
        READERS[reader](raw)
    except (ArchiveRefused, KubeconfigRefused, PathRefused, SpecError) as refused:
        assert str(refused)
        return str(refused.problem_id)
    return TAKEN


@contextlib.contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """Fail when what is done inside takes the processor for more than two seconds, or 200 MB more than there were."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    spent, grown = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert spent < seconds, f"{spent:.1f} s"
    assert grown < MEMORY_KIB, f"{grown // 1024} MB"
