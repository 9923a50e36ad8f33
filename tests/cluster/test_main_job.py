"""The main job on the real cluster, through the command line, and what may go wrong on its way."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import signal
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from jobs.manifests import JOB_NAME
from mooring.client import Job
from tests.studio_process import ROOT, Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

SAMPLE = str(ROOT / "sample" / "train" / "job.yml")
PNG = b"\x89PNG\r\n\x1a\n"


def command(script: str, *, image: str = "python:3.12", more: str = "") -> str:
    """Return the YAML of a job that runs a script."""
    return f"type: command\nenvironment: {{image: '{image}'}}\ncommand: |\n{textwrap.indent(textwrap.dedent(script).strip(), '  ')}\n{more}"


def running(studio: Studio, job: Job, text: bytes) -> None:
    """Wait until a job has printed a text."""

    def printed() -> bool:
        now = studio.client.jobs.get(job.name)
        assert not now.is_final, f"{now.status}: {now.reason}\n{studio.log_of(job.name)!r}"
        return now.status == "Running" and text in studio.log_of(job.name)

    studio.until(printed, seconds=120, what=f"{text!r} in the log of {job.name}")


def living(kube: KubeClient, studio: Studio, job: Job) -> list[Any]:
    """Return what is left of a job's pods that have not ended: until when each may stay, and what its containers do."""
    return [
        (pod["metadata"]["name"], pod["metadata"].get("deletionTimestamp"), [(one["name"], one["state"]) for one in _containers(pod)])
        for pod in kube.list(kinds.POD, namespace=studio.namespace)
        if pod["metadata"]["annotations"].get(JOB_NAME) == job.name and pod["status"].get("phase") in ("Pending", "Running")
    ]


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]


@pytest.fixture(scope="module")
def sample(studio: Studio) -> tuple[str, str]:
    """Submit the sample with its log streamed, as a person would; return its name and what came out."""
    done = studio.cli("job", "create", "-f", SAMPLE, "-w", "demo", "--stream")
    name = re.search(r"^([a-z]+_[a-z]+_[a-z0-9]+)$", done.stderr, re.MULTILINE)
    assert name, done.stderr
    return name[1], done.stdout


def test_the_sample_job_completes_and_its_whole_log_is_streamed(studio: Studio, sample: tuple[str, str]) -> None:
    name, streamed = sample
    rounds = [int(number) for number in re.findall(r"^round +(\d+) of 16", streamed, re.MULTILINE)]
    assert rounds == [*range(1, 17)]
    assert streamed.encode() == studio.log_of(name)
    job = studio.client.jobs.get(name)
    assert job.status == "Completed"
    assert [one["status"] for one in job.timeline][-1] == "Completed"


def test_its_outputs_are_listed_and_downloaded_with_their_digests(studio: Studio, sample: tuple[str, str], tmp_path: Path) -> None:
    name, _ = sample
    listed = {file.path for file in studio.client.jobs.outputs(name)}
    assert {"outputs/model.joblib", "outputs/metrics.json", "outputs/confusion_matrix.png"} <= listed
    studio.cli("job", "download", name, "-w", "demo", "-p", str(tmp_path))
    kept = tmp_path / "artifacts" / "outputs"
    assert (kept / "confusion_matrix.png").read_bytes().startswith(PNG)
    assert json.loads((kept / "metrics.json").read_text())["accuracy"] > 0.85
    assert (kept / "model.joblib").stat().st_size > 1000


def test_its_code_can_be_looked_at(studio: Studio, sample: tuple[str, str]) -> None:
    with contextlib.closing(browserless(studio)) as person:
        page = person.get(f"/w/demo/jobs/{sample[0]}/code/train.py")
        assert page.status_code == 200
        assert "read_table" in page.text


def test_a_submit_with_the_same_key_makes_one_job(studio: Studio) -> None:
    yaml = command("echo once")
    names = {studio.client.jobs.create_from_text(yaml, overrides=["compute=local"], idempotency_key="the-same").name for _ in range(2)}
    assert len(names) == 1
    assert studio.ended(names.pop()).status == "Completed"


def test_exit_code_3_is_a_failure_told_with_its_problem(studio: Studio) -> None:
    path = studio.data.parent / "three.yml"
    path.write_text(command("echo before; exit 3", more="compute: azureml:local\n"))
    done = studio.cli("job", "create", "-f", str(path), "-w", "demo", "--stream", check=False)
    assert done.returncode == 3, done.stderr
    assert "(job-exit-code)" in done.stderr
    assert done.stdout == "before\n"


def test_an_image_without_bash_tee_and_python_runs(studio: Studio) -> None:
    job = studio.submit(command("echo in a shell; echo kept > outputs/word.txt", image=studio.images["minimal"]))
    ended = studio.ended(job.name)
    assert ended.status == "Completed", f"{ended.reason}\n{studio.log_of(job.name)!r}"
    assert studio.log_of(job.name) == b"in a shell\n"
    assert "outputs/word.txt" in {file.path for file in studio.client.jobs.outputs(job.name)}


def test_an_image_that_must_be_root_runs_on_a_compute_whose_operator_allows_it_and_fails_on_any_other(studio: Studio, kube: KubeClient) -> None:
    # The sandbox's own helper image: it names no user, and only root may write where this does.
    tags = httpx.get(f"http://{studio.sandbox['registry']['address']}/v2/busybox/tags/list", timeout=10, trust_env=False).json()["tags"]
    must_be_root = command("id -u; echo mine > /etc/hostname-of-mine && id -u > outputs/who.txt", image=f"mooring.local/busybox:{tags[-1]}")
    computes, namespace = studio.client.computes, f"{studio.namespace}-root"
    computes.attach("rooted", cluster=studio.cluster, namespace=namespace, run_as_root=True)
    try:
        rooted = computes.wait("rooted", seconds=90)
        assert rooted and rooted.status == "ready"
        level = kube.get(kinds.NAMESPACE, namespace)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        assert level == "baseline"
        refused = studio.submit(must_be_root)
        allowed = studio.client.jobs.create_from_text(must_be_root, folder=".", overrides=["compute=rooted"])
        ended = studio.ended(allowed.name)
        assert ended.status == "Completed", f"{ended.reason}\n{studio.log_of(allowed.name)!r}"
        assert studio.log_of(allowed.name) == b"0\n"
        assert "outputs/who.txt" in {file.path for file in studio.client.jobs.outputs(allowed.name)}
        ended = studio.ended(refused.name)
        assert ended.status == "Failed" and (ended.problem or {})["id"] == "job-exit-code"
        assert studio.log_of(refused.name).startswith(b"1000\n") and b"ermission denied" in studio.log_of(refused.name)
    finally:
        computes.detach("rooted", running="cancel")
        assert computes.wait("rooted", seconds=90) is None


def test_cancel_reaches_a_grandchild_and_keeps_log_and_outputs(studio: Studio, kube: KubeClient) -> None:
    script = """
        echo early > outputs/early.txt
        bash -c 'bash -c "trap \\"echo grandchild was told; exit 0\\" TERM; echo waiting; while :; do sleep 0.2; done" & wait; wait'
    """
    job = studio.submit(command(script))
    running(studio, job, b"waiting")
    began = time.monotonic()
    studio.client.jobs.cancel(job.name)
    assert studio.client.jobs.get(job.name).status in ("CancelRequested", "Canceled")
    studio.until(lambda: b"grandchild was told" in studio.log_of(job.name), seconds=30, what="SIGTERM in the grandchild")
    assert time.monotonic() - began < 10
    assert studio.ended(job.name, seconds=90).status == "Canceled"
    assert "outputs/early.txt" in {file.path for file in studio.client.jobs.outputs(job.name)}
    studio.until(lambda: not living(kube, studio, job), seconds=60, what=lambda: f"{living(kube, studio, job)} going")


def test_a_job_that_needs_more_memory_than_it_has_is_told_so(studio: Studio) -> None:
    tiny = f"tiny-{uuid.uuid4().hex[:8]}"  # the cluster outlives a run of the tests, and keeps what one that was killed left
    studio.client.clusters.create_instance_type(
        "local", tiny, {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}}
    )
    script = "python3 -c \"print('filling', flush=True); x = bytearray(400_000_000); print(len(x))\""
    job = studio.submit(command(script, more=f"resources: {{instance_type: {tiny}}}\n"))
    ended = studio.ended(job.name)
    assert ended.status == "Failed"
    assert (ended.problem or {}).get("id") == "job-out-of-memory", ended.problem


def test_the_time_limit_ends_the_command(studio: Studio) -> None:
    job = studio.submit(command("echo started; sleep 120", more="limits: {timeout: 3}\n"))
    ended = studio.ended(job.name)
    assert ended.status == "Failed"
    assert (ended.problem or {}).get("id") == "job-time-limit", ended.problem
    assert studio.log_of(job.name).startswith(b"started\n")


def test_a_job_that_fails_is_tried_again_as_often_as_it_asks_for(studio: Studio) -> None:
    job = studio.submit(command("echo tried; exit 4", more="retry_settings: {max_retries: 1}\n"))
    ended = studio.ended(job.name)
    assert (ended.status, (ended.problem or {}).get("id"), ended.answer["retries_used"]) == ("Failed", "job-exit-code", 1)
    assert [(each["attempt"], each["exit_code"]) for each in ended.answer["processes"]] == [(1, 4), (2, 4)]
    assert studio.log_of(job.name) == b"tried\n"


def test_a_job_whose_second_attempt_succeeds_is_completed(studio: Studio) -> None:
    with answering([b"4", b"0"]) as port:
        address = f"http://{studio.sandbox['host_address']}:{port}"
        script = f"echo tried; exit $(python3 -c \"import urllib.request as web; print(web.urlopen('{address}').read().decode())\")"
        job = studio.submit(command(script, more="retry_settings: {max_retries: 2}\n"))
        ended = studio.ended(job.name)
    assert (ended.status, ended.problem, ended.answer["retries_used"]) == ("Completed", None, 1), ended.reason
    assert [(each["attempt"], each["exit_code"]) for each in ended.answer["processes"]] == [(1, 4), (2, 0)]
    logs = [(each.attempt, each.bytes) for each in studio.client.jobs.logs(job.name) if each.file == "std_log.txt"]
    assert logs == [(1, len(b"tried\n")), (2, len(b"tried\n"))]


@contextlib.contextmanager
def answering(answers: list[bytes]) -> Iterator[int]:
    """Serve one answer after the other to whoever asks; give the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers.pop(0))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_an_output_that_cannot_be_stored_fails_a_job_whose_command_succeeded(studio: Studio) -> None:
    job = studio.submit(command("echo kept > outputs/kept; echo lost > outputs/lost; chmod 000 outputs/lost"))
    ended = studio.ended(job.name)
    assert [each["exit_code"] for each in ended.answer["processes"]] == [0]
    assert (ended.status, (ended.problem or {}).get("id")) == ("Failed", "job-outputs-not-stored"), ended.problem
    assert "outputs/lost" in str(ended.problem) and [file.path for file in studio.client.jobs.outputs(job.name)] == ["outputs/kept"]


def test_a_job_whose_pod_the_quota_refuses_says_so_and_what_would_end_it(studio: Studio, kube: KubeClient) -> None:
    name = f"full-{uuid.uuid4().hex[:6]}"
    namespace = f"{studio.namespace}-{name}"
    studio.client.computes.attach(name, cluster=studio.cluster, namespace=namespace, create_namespace=True)
    studio.until(lambda: studio.client.computes.get(name).status == "ready", what="the compute to be ready")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    kube.create(kinds.RESOURCE_QUOTA, quota, namespace)
    # The API server refuses pods once the quota's controller has seen it.
    studio.until(lambda: (kube.get(kinds.RESOURCE_QUOTA, "none", namespace).get("status") or {}).get("hard"), what="the quota to hold")
    job = studio.client.jobs.create_from_text(command("echo never"), folder=".", overrides=[f"compute={name}"])
    found = studio.until(
        lambda: (now := studio.client.jobs.get(job.name)).reason and "quota" in now.reason and now,
        seconds=90,
        what="a reason that names the quota",
    )
    assert found.status == "Queued" and "pods=0" in found.reason and "operator raises it" in found.next_step
    studio.client.jobs.cancel(job.name)
    assert studio.ended(job.name).status == "Canceled"
    studio.client.computes.detach(name)
    kube.delete(kinds.NAMESPACE, namespace)


def test_a_job_whose_image_is_nowhere_waits_with_the_reason(studio: Studio) -> None:
    job = studio.submit(command("echo never", image="mooring.local/there-is-none:1"))
    found = studio.until(
        lambda: (now := studio.client.jobs.get(job.name)).reason and ("pull" in now.reason or now.is_final) and now,
        seconds=90,
        what="a reason that names the image",
    )
    assert "there-is-none" in f"{found.reason} {found.problem}"
    if not found.is_final:
        studio.client.jobs.cancel(job.name)
        studio.ended(job.name)


def test_killing_the_worker_loses_doubles_and_reorders_no_line(studio: Studio) -> None:
    script = """
        for i in $(seq 1 400); do echo "line $i"; sleep 0.02; done
    """
    job = studio.submit(command(script))
    running(studio, job, b"line 40\n")
    pid = studio.pid("worker")
    assert pid
    os.kill(pid, signal.SIGKILL)
    ended = studio.ended(job.name)
    assert studio.log_of(job.name) == b"".join(b"line %d\n" % number for number in range(1, 401))
    assert ended.status == "Completed", f"{ended.reason} {ended.problem}"


def browserless(studio: Studio) -> httpx.Client:
    """Return an HTTP client that has signed in through the form."""
    client = httpx.Client(base_url=studio.url, follow_redirects=True, timeout=30)
    page = client.get("/accounts/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token, page.text[:2000]
    form = {"login": studio.username, "password": studio.password, "csrfmiddlewaretoken": token[1]}
    answer = client.post("/accounts/login/", data=form, headers={"Referer": str(page.url)})
    assert answer.status_code == 200 and "/accounts/login" not in str(answer.url), answer.text[:2000]
    return client
