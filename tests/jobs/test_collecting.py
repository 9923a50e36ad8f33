"""Content goes when nothing refers to it any more, and never under somebody who was told that it is here."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from endpoints.models import Deployment, Endpoint, Revision
from jobs import services
from jobs.keeping import keep_output
from jobs.models import Job
from studio.assets.collecting import DAY, collect
from studio.assets.models import Blob, Snapshot
from studio.assets.services import missing_blobs, store, take_blob, tree_for, tree_of_uploads
from studio.assets.store import BlobStore
from studio.assets.trees import load_tree
from tests.conftest import People

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nudges")]
Make = Callable[..., Job]


@pytest.fixture(autouse=True)
def _own_store(settings: Any, tmp_path: Any) -> None:
    settings.BLOBS = tmp_path / "blobs"


def age(*digests: str, seconds: float = DAY + 60) -> None:
    for digest in digests or list(store()):
        os.utime(store().path(digest), (time.time() - seconds,) * 2)


def folder(people: People, **files: bytes) -> Snapshot:
    return tree_of_uploads(people.workspace, [(name, io.BytesIO(content)) for name, content in files.items()])


def left(job: Job, content: bytes, path: str = "outputs/model") -> str:
    digest = store().put(content).digest
    return keep_output(job, index=0, root="artifacts", path=path, digest=digest, source=io.BytesIO(content)).digest


def test_what_a_deleted_job_left_goes_after_a_day(make_job: Make, people: People) -> None:
    code = folder(people, main=b"print()")
    file = load_tree(code.digest, store()).files[0].digest
    job = make_job("Completed", cleaned=True, code_digest=code.digest)
    other = make_job("Completed", cleaned=True, name="other")
    mine, shared = left(job, b"mine"), left(job, b"shared", "outputs/shared")
    assert left(other, b"shared") == shared
    age()
    assert collect() == 0
    services.delete_job(people.contributor, job)
    services.erase_job(job.pk)
    age(code.digest, file, mine, shared, seconds=DAY - 600)
    assert collect() == 0
    age()
    assert collect() == 3
    assert set(store()) == {shared} and not Snapshot.objects.exists() and not Blob.objects.filter(digest=file).exists()


def test_inputs_of_jobs_models_and_revisions_hold_their_files(make_job: Make, people: People, compute: Any) -> None:
    from studio.assets.registry.given import Given
    from studio.assets.registry.services import register_version

    given, model, scored = folder(people, a=b"a"), folder(people, b=b"b"), folder(people, c=b"c")
    make_job("Failed", inputs={"data": {"mount": {"digest": given.digest}}})
    register_version(people.contributor, people.workspace, given=Given(name="m", tree=model.digest, base_name="model"))
    endpoint = Endpoint.objects.create(workspace=people.workspace, compute=compute, name="e")
    deployment = Deployment.objects.create(endpoint=endpoint, name="blue")
    Revision.objects.create(deployment=deployment, number=1, spec={"code": {"digest": scored.digest}})
    age()
    assert collect() == 0 and len(list(store())) == 6


def test_who_was_told_that_content_is_here_still_finds_it(people: People) -> None:
    code = folder(people, main=b"print()")
    file = load_tree(code.digest, store()).files[0].digest
    age()
    assert missing_blobs(people.workspace, [file]) == []
    assert tree_for(people.workspace, code.digest) is not None
    assert collect() == 0 and Snapshot.objects.exists()


def test_a_claim_to_content_that_went_is_no_claim(people: People) -> None:
    digest = store().put(b"x").digest
    take_blob(people.workspace, digest, io.BytesIO(b"x"))
    age()
    assert collect() == 1
    assert missing_blobs(people.workspace, [digest]) == [digest]


def test_content_that_is_brought_in_again_while_it_is_collected_stays(tmp_path: Any) -> None:
    kept = BlobStore(tmp_path / "raced")
    digest = kept.put(b"the same").digest
    stop, lost = threading.Event(), []

    def collecting() -> None:
        while not stop.is_set():
            kept.delete_old(digest, older_than_seconds=DAY)

    collectors = [threading.Thread(target=collecting) for _ in range(2)]
    for one in collectors:
        one.start()
    try:
        for _ in range(300):
            with suppress(FileNotFoundError):
                os.utime(kept.path(digest), (0, 0))
            kept.put(b"the same")
            if not kept.has(digest):
                lost.append(digest)
    finally:
        stop.set()
        for one in collectors:
            one.join()
    assert lost == []
