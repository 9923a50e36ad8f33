"""The studio in a cluster, by its chart: two web replicas and two workers on PostgreSQL, the main job, and parts killed in the middle of it."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import threading
from pathlib import Path

import httpx
import pytest

from compute.kube import kinds
from mooring.client import Client
from mooring.client.sign_in import token_for
from mooring.errors import MooringProblem
from tests.chart.conftest import NAMESPACE, RELEASE, TEAM, InCluster, is_ready, running
from tests.deploy.conftest import CHART
from tests.studio_process import ROOT

SAMPLE = str(ROOT / "sample" / "train" / "job.yml")
ROUNDS = 400


def test_two_of_each_start_at_once_and_one_of_them_makes_the_database(studio: InCluster) -> None:
    assert {component: len(studio.ready(component)) for component in ("web", "worker", "beat", "redis", "postgresql")} == {
        "web": 2, "worker": 2, "beat": 1, "redis": 1, "postgresql": 1,
    }  # fmt: skip
    prepared = {}
    for pod in [*studio.pods("web"), *studio.pods("worker")]:
        prepared[pod["metadata"]["name"]] = studio.kube.logs(NAMESPACE, pod["metadata"]["name"], "prepare").read().decode()
    assert sum("Administrator: admin" in said for said in prepared.values()) == 1, prepared
    assert studio.secret("mooring-administrator", "password") not in str(prepared)
    for pod in studio.pods("web"):
        answer = httpx.get(f"http://{pod['status']['podIP']}:8080/readyz", timeout=10).json()
        assert answer == {"ready": True, "checks": {"database": "ok", "schema": "ok", "redis": "ok"}}


def test_no_pod_may_write_into_its_own_image(studio: InCluster) -> None:
    assert studio.kube.get(kinds.NAMESPACE, NAMESPACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in studio.pods():
        assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in pod["spec"]["containers"])
        assert all(one["restartCount"] == 0 for one in pod["status"]["containerStatuses"]), pod["metadata"]["name"]


def test_the_cluster_it_runs_in_is_offered_and_attached_without_a_kubeconfig(studio: InCluster) -> None:
    client = studio.client()
    assert client.fleet()["runs_in_a_cluster"] is True
    client.workspaces.create("demo", display_name="Demo")
    client.clusters.attach("here", in_cluster=True)
    shown = studio.until(
        lambda: (now := client.clusters.get("here").answer)["status"] == "ready" and now["pods_reach_studio"] and now,
        seconds=180, what="the cluster to be ready",
    )  # fmt: skip
    assert (shown["in_cluster"], shown["findings"], shown["log_route"]) == (True, [], "proxy")
    client.computes.attach("local", cluster="here", namespace=TEAM, create_namespace=False)
    studio.until(lambda: client.computes.get("local").status == "ready", what="the compute to be ready")


def test_the_main_job_completes_though_each_web_replica_and_a_worker_are_killed(studio: InCluster, tmp_path: Path) -> None:
    client = studio.client()
    client.transport.json("PUT", "image-rules", json={"pattern": "*sklearn*", "image": studio.images["sklearn"], "position": 10})
    words = ("job", "create", "-f", SAMPLE, "-w", "demo", "--set", f"inputs.rounds={ROUNDS}", "--stream")
    streamed = tmp_path / "streamed.txt"
    rounds = re.compile(rb"^round +(\d+) of", re.MULTILINE)
    with running(studio.command(*words), studio.surroundings(), streamed) as process:

        def printed(least: int) -> None:
            studio.until(lambda: len(rounds.findall(streamed.read_bytes())) > least, seconds=240, what=f"round {least} to be seen")

        printed(5)
        # All that follow logs at the moment: the worker that has the lease of the stream, and whichever replica the command talks to.
        owner = next(one["owner"] for one in client.transport.json("GET", "system")["redis"]["leases"] if one["name"] == "stream")
        worker = owner.partition(":")[0]
        assert worker in {pod["metadata"]["name"] for pod in studio.ready("worker")}
        kill(studio, worker)
        for number, pod in enumerate(studio.ready("web"), start=1):
            kill(studio, pod["metadata"]["name"])
            studio.until(lambda: len(studio.ready("web")) == 2, seconds=180, what="two web replicas to be ready again")
            printed(5 + 10 * number)
        assert process.poll() is None, "the job ended before all were killed"
        assert process.wait(400) == 0, streamed.with_suffix(".told").read_text(encoding="utf-8")
    seen = [int(number) for number in rounds.findall(streamed.read_bytes())]
    assert seen == [*range(1, ROUNDS + 1)], "each line once and in order"
    job = client.jobs.list(most=1)[0]
    ended = client.jobs.get(job.name)
    assert (ended.status, ended.problem, ended.answer["retries_used"]) == ("Completed", None, 0)
    kept = client.transport.send("GET", f"workspaces/demo/jobs/{job.name}/logs/0", query={"file": "std_log.txt"}, headers={"Accept": "*/*"}).content
    assert kept == streamed.read_bytes()
    assert {"outputs/model.joblib", "outputs/metrics.json", "outputs/confusion_matrix.png"} <= {one.path for one in client.jobs.outputs(job.name)}
    studio.until(lambda: len(studio.ready("worker")) == 2, seconds=180, what="two workers to be ready again")


def test_both_web_replicas_show_the_same_files(studio: InCluster) -> None:
    job = studio.client().jobs.list(most=1)[0].name
    path, headers = f"/api/v1/workspaces/demo/jobs/{job}/logs/0", {"Authorization": f"Bearer {studio.token}"}
    answers = [
        httpx.get(f"http://{pod['status']['podIP']}:8080{path}", params={"file": "std_log.txt"}, headers=headers, timeout=30) for pod in studio.ready("web")
    ]
    assert [one.status_code for one in answers] == [200, 200] and answers[0].content == answers[1].content != b""


def test_a_backup_is_taken_through_a_web_pod(studio: InCluster) -> None:
    """As the operators' page says it."""
    words = ("exec", "-n", NAMESPACE, "deploy/mooring-web", "-c", "web", "--", "mooring", "backup", "-")
    done = subprocess.run([studio.kubectl, f"--kubeconfig={studio.kubeconfig}", *words], capture_output=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        names = archive.getnames()
    assert {"backup.json", "database/mooring.pgdump", "SHA256SUMS"} <= set(names) and any(name.startswith("blobs/") for name in names)
    assert not [name for name in names if name.startswith("keys/")]


def test_an_upgrade_is_noticed_by_nobody_and_keeps_keys_and_passwords(studio: InCluster) -> None:
    names = (("mooring-keys", "encryption-keys"), ("mooring-keys", "secret-key"), ("mooring-database", "url"), ("mooring-redis", "url"))
    before = [studio.secret(*name) for name in names]
    old = {pod["metadata"]["uid"] for pod in [*studio.pods("web"), *studio.pods("worker")]}
    servers = {pod["metadata"]["uid"] for pod in [*studio.pods("redis"), *studio.pods("postgresql")]}
    with asking(f"{studio.address()}/readyz") as answers:
        wait = ("--wait", "--timeout", "600s")
        studio.run_helm("upgrade", RELEASE, str(CHART), "-n", NAMESPACE, *studio.values, "--set-string", "settings.MOORING_CSV_ROWS=40000", *wait)
        studio.until(lambda: not old & {pod["metadata"]["uid"] for pod in studio.pods()} and len(studio.ready("web")) == 2, what="new pods")
    assert len(answers) > 50 and set(answers) == {"200"}, sorted(set(answers))
    assert [studio.secret(*name) for name in names] == before
    assert {pod["metadata"]["uid"] for pod in [*studio.pods("redis"), *studio.pods("postgresql")]} == servers
    assert studio.client().clusters.get("here").status == "ready"


def test_with_sqlite_one_pod_is_the_whole_studio_and_offers_no_cluster_that_it_has_no_rights_in(studio: InCluster) -> None:
    name = "studio-of-one"
    values = (
        *("-f", str(CHART / "examples" / "sqlite.yaml"), "--set", f"image={studio.images['studio']}", "--set", f"redis.image={studio.images['redis']}"),
        *("--set", "ingress.enabled=false", "--set", "url=", "--set", "storage.size=1Gi", "--set", "rbac.cluster=false"),
    )
    wait = ("--wait", "--timeout", "600s")
    studio.run_helm("upgrade", "--install", RELEASE, str(CHART), "-n", name, "--create-namespace", *values, *wait)
    try:
        (pod,) = studio.pods("studio", name)
        assert is_ready(pod) and [one["name"] for one in pod["status"]["containerStatuses"]] == ["beat", "web", "worker"]
        token = token_for(studio.address(name), "admin", studio.secret("mooring-administrator", "password", name))
        with Client(studio.address(name), token) as client:
            assert client.fleet()["runs_in_a_cluster"] is False
            with pytest.raises(MooringProblem) as refused:
                client.clusters.attach("here", in_cluster=True)
            assert refused.value.id == "not-in-a-cluster"
    finally:
        studio.run_helm("uninstall", RELEASE, "-n", name)
        studio.kube.delete(kinds.NAMESPACE, name)


def kill(studio: InCluster, pod: str) -> None:
    """Take a pod away as a node that dies does: without a word to it."""
    studio.kube.delete(kinds.POD, pod, NAMESPACE, grace=0)


class asking:
    """Ask for an address all the time while a block lasts, from a connection of its own each time; gives what was answered."""

    def __init__(self, url: str) -> None:
        self.url, self.answers, self.over = url, list[str](), threading.Event()
        self.thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> list[str]:
        self.thread.start()
        return self.answers

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _ask(self) -> None:
        while not self.over.wait(0.1):
            try:
                self.answers.append(str(httpx.get(self.url, timeout=15).status_code))
            except httpx.TransportError as error:
                self.answers.append(type(error).__name__)

