"""What pods may ask of the studio: their own job's files with their own job's token, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job, Output, Process
from jobs.progress import saw_pod
from studio.assets.services import store, tree_of_uploads
from tests.conftest import People
from tests.jobs.conftest import exited, seen

pytestmark = pytest.mark.django_db
Make = Callable[..., Job]


@pytest.fixture(autouse=True)
def _quiet(nudges: list[tuple[str, int]]) -> None:
    """Send no worker anywhere."""


@pytest.fixture
def code(people: People) -> str:
    """Bring in a folder of two files and return its digest."""
    files = [("train.py", io.BytesIO(b"print(1)\n")), ("lib/model.py", io.BytesIO(b"x = 1\n"))]
    return tree_of_uploads(people.workspace, files).digest


@pytest.fixture
def job(make_job: Make, code: str) -> Job:
    return make_job("Running", code_digest=code, token="right-token")


@pytest.fixture
def process(job: Job) -> Process:
    saw_pod(job, seen("running", uid="pod-a"))
    return Process.objects.get(job=job)


def ask(job: Job, method: str, path: str, *, token: str = "right-token", body: Any = b"", **headers: str) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Client().generic(method, f"/runner/v1/jobs/{job.name}/{path}", sent, "application/octet-stream", headers=headers)


def content(answer: Any) -> bytes:
    async def gathered() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return asyncio.run(gathered()) if answer.streaming else answer.content


def put(job: Job, path: str, body: bytes, *, sha256: str | None = None, **how: Any) -> Any:
    digest = hashlib.sha256(body).hexdigest() if sha256 is None else sha256
    return ask(job, "PUT", f"outputs/0/{path}", body=body, X_Mooring_Sha256=digest, **how)


def listed(path: str, body: bytes, root: str = "artifacts") -> dict[str, Any]:
    return {"root": root, "path": path, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


@pytest.mark.parametrize("token", ["", "-", "wrong", "right-token ", "RIGHT-TOKEN", "ünlesbar"])
def test_a_wrong_token_learns_nothing(job: Job, code: str, token: str) -> None:
    answer = ask(job, "GET", f"trees/{code}", token=token)
    assert answer.status_code == 401 and answer.json()["id"] == "sign-in-needed"


def test_a_job_that_is_not_there_is_answered_like_a_wrong_token(job: Job, code: str) -> None:
    there = ask(job, "GET", f"trees/{code}", token="wrong")
    job.name = "no_such_job"
    missing = ask(job, "GET", f"trees/{code}")
    # But for the id that each request has.
    assert missing.status_code == there.status_code and missing.json() | {"request_id": ""} == there.json() | {"request_id": ""}


def test_another_jobs_token_opens_nothing(job: Job, code: str, make_job: Make) -> None:
    make_job("Running", token="another-token")
    assert ask(job, "GET", f"trees/{code}", token="another-token").status_code == 401


def test_a_job_without_a_token_is_closed_to_an_empty_one(job: Job, code: str) -> None:
    Job.objects.update(token="")
    assert ask(job, "GET", f"trees/{code}", token="").status_code == 401


@pytest.mark.parametrize("status", ["Completed", "Failed", "Canceled"])
def test_the_token_dies_with_the_job(job: Job, code: str, process: Process, status: str) -> None:
    Job.objects.update(status=status)
    assert ask(job, "GET", f"trees/{code}").status_code == 401
    assert put(job, "artifacts/outputs/late.txt", b"late").status_code == 401
    assert ask(job, "POST", "processes/0/finish", body={"pod_uid": "pod-a"}).status_code == 401


def test_a_canceled_job_may_still_bring_what_it_left(job: Job, process: Process) -> None:
    Job.objects.update(status="CancelRequested")
    assert put(job, "artifacts/outputs/model.txt", b"half").status_code == 200


def test_the_code_comes_as_a_list_as_a_tar_and_file_by_file(job: Job, code: str) -> None:
    whole = content(ask(job, "GET", f"trees/{code}"))
    assert f"sha256:{hashlib.sha256(whole).hexdigest()}" == code
    files = {row["path"]: row["digest"] for row in json.loads(whole)["files"]}
    assert content(ask(job, "GET", f"blobs/{files['train.py']}")) == b"print(1)\n"
    answer = ask(job, "GET", f"trees/{code}.tar")
    tar = content(answer)
    assert int(answer["Content-Length"]) == len(tar)
    assert set(tarfile.open(fileobj=io.BytesIO(tar)).getnames()) == {"train.py", "lib/model.py"}


def test_content_of_the_workspace_that_is_not_the_jobs_is_not_there(job: Job, people: People) -> None:
    other = tree_of_uploads(people.workspace, [("secret.txt", io.BytesIO(b"of another job"))]).digest
    blob = "sha256:" + hashlib.sha256(b"of another job").hexdigest()
    assert store().has(blob)
    answers = [ask(job, "GET", path).status_code for path in (f"trees/{other}", f"trees/{other}.tar", f"blobs/{blob}")]
    assert answers == [404, 404, 404]


@pytest.mark.parametrize("digest", ["sha256:..", "x", "sha256:" + "0" * 64])
def test_what_is_no_digest_of_the_job_is_not_there(job: Job, digest: str) -> None:
    assert ask(job, "GET", f"trees/{digest}").status_code == 404
    assert ask(job, "GET", f"blobs/{digest}").status_code == 404


def test_an_output_is_kept_once_however_often_it_is_sent(job: Job, process: Process) -> None:
    for _ in range(2):
        answer = put(job, "artifacts/outputs/model.txt", b"weights")
        assert answer.status_code == 200 and answer.json()["sha256"] == hashlib.sha256(b"weights").hexdigest()
    (row,) = Output.objects.all()
    assert (row.root, row.path, row.size) == ("artifacts", "outputs/model.txt", 7)
    assert store().read(row.digest) == b"weights"


@pytest.mark.parametrize("sha256", ["0" * 64, "", "nonsense"])
def test_an_output_that_is_not_what_was_announced_is_refused(job: Job, process: Process, sha256: str) -> None:
    answer = put(job, "artifacts/outputs/model.txt", b"weights", sha256=sha256)
    assert 400 <= answer.status_code < 500 and not Output.objects.exists()


@pytest.mark.parametrize(
    "path", ["artifacts/../x", "artifacts/a/../../x", "artifacts/./x", "artifacts//x", "../x", "artifacts/a/%00", "artifacts/" + "x" * 2000]
)
def test_no_output_lands_outside_of_its_root(job: Job, process: Process, path: str) -> None:
    assert 400 <= put(job, path, b"x").status_code < 500
    assert not Output.objects.exists()


def test_a_finish_is_acknowledged_when_everything_is_here(job: Job, process: Process) -> None:
    put(job, "artifacts/outputs/model.txt", b"weights")
    given = {"pod_uid": "pod-a", "exit": exited(), "outputs": [listed("outputs/model.txt", b"weights")], "problems": []}
    for _ in range(2):
        answer = ask(job, "POST", "processes/0/finish", body=given)
        if answer.status_code == 401:
            break  # it completed the job: the token is dead, as it should be
        assert answer.json() == {"acknowledged": True}
    process.refresh_from_db()
    assert process.finished and process.exit == exited()
    assert Job.objects.get(pk=job.pk).status == "Completed"


def test_a_finish_names_what_is_missing_or_different(job: Job, process: Process) -> None:
    put(job, "artifacts/outputs/model.txt", b"old")
    rows = [listed("outputs/model.txt", b"new"), listed("outputs/lost.txt", b"lost")]
    answer = ask(job, "POST", "processes/0/finish", body={"pod_uid": "pod-a", "exit": exited(), "outputs": rows})
    assert answer.status_code == 409
    assert answer.json() == {"acknowledged": False, "missing": ["artifacts/outputs/model.txt", "artifacts/outputs/lost.txt"]}
    process.refresh_from_db()
    assert not process.finished


def test_a_finish_of_a_pod_that_was_not_seen_yet_is_to_be_sent_again(job: Job) -> None:
    answer = ask(job, "POST", "processes/0/finish", body={"pod_uid": "pod-z", "exit": exited()})
    assert (answer.status_code, answer.json()) == (503, {"acknowledged": False})


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_a_finish_that_is_no_object_is_refused(job: Job, process: Process, body: bytes) -> None:
    assert ask(job, "POST", "processes/0/finish", body=body).status_code == 422


def test_a_finish_with_numbers_that_json_has_not_is_refused(job: Job, process: Process) -> None:
    body = b'{"pod_uid": "pod-a", "exit": {"code": NaN, "log_bytes": Infinity}}'
    assert ask(job, "POST", "processes/0/finish", body=body).status_code == 422


def test_the_tail_of_a_log_is_kept_without_a_hole(job: Job, process: Process) -> None:
    def send(offset: int, body: bytes) -> int:
        stored: int = ask(job, "PUT", f"processes/0/log?pod_uid=pod-a&offset={offset}", body=body).json()["stored"]
        return stored

    assert send(0, b"hello") == 5
    assert send(9, b"rld") == 5
    assert send(3, b"lo world") == 11
    assert send(0, b"hello") == 11
    assert process.log_path().read_bytes() == b"hello world"


def test_the_tail_that_makes_the_log_whole_completes_the_job(job: Job, process: Process) -> None:
    ask(job, "POST", "processes/0/finish", body={"pod_uid": "pod-a", "exit": exited(log_bytes=5), "outputs": []})
    assert Job.objects.get(pk=job.pk).status == "Finalizing"
    ask(job, "PUT", "processes/0/log?pod_uid=pod-a&offset=0", body=b"hello")
    assert Job.objects.get(pk=job.pk).status == "Completed"


@pytest.mark.parametrize(
    "query", ["pod_uid=pod-a", "pod_uid=pod-a&offset=-1", "offset=0", "pod_uid=pod-z&offset=0", "pod_uid=pod-a&offset=0&file=../x"]
)
def test_a_tail_of_nothing_that_is_known_is_refused(job: Job, process: Process, query: str) -> None:
    assert ask(job, "PUT", f"processes/0/log?{query}", body=b"x").status_code == 422


def test_other_methods_are_refused_before_anything_is_read(job: Job, code: str) -> None:
    assert ask(job, "POST", f"trees/{code}").status_code == 405


def test_outputs_beyond_what_a_job_may_leave_are_refused_and_said(job: Job, process: Process, settings: Any) -> None:
    settings.LARGEST_OUTPUTS = 10
    assert put(job, "artifacts/outputs/a", b"12345678").status_code == 200
    refused = put(job, "artifacts/outputs/b", b"123")
    assert (refused.status_code, refused.json()["id"]) == (413, "job-outputs-too-large")
    assert "artifacts/outputs/b" in refused.json()["detail"]
    assert put(job, "artifacts/outputs/a", b"1234567890").status_code == 200
    assert put(job, "artifacts/outputs/a", b"12345678").status_code == 200
    assert put(job, "artifacts/outputs/b", b"12").status_code == 200


def test_a_cut_log_is_whole_and_the_job_says_so(job: Job, process: Process, settings: Any) -> None:
    settings.LARGEST_LOG = 100
    Process.objects.update(exit={"code": 0, "reason": "exited", "log_bytes": 3000})
    for start in range(0, 3000, 500):
        answer = ask(job, "PUT", f"processes/0/log?pod_uid={process.pod_uid}&offset={start}", body=b"x" * 500)
        assert answer.json()["stored"] == start + 500
    process.refresh_from_db()
    job.refresh_from_db()
    assert process.log_final and "cut at byte 100" in job.warnings[0]["text"]
