"""The pod of a job as the studio renders it, in real containers of a restricted namespace, against a small studio."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from jobs.manifests import Plan, object_name, render_job, render_secret
from tests.runner.pod import wait_until
from tests.runner.studio_side import TOKEN, StudioSide

pytestmark = pytest.mark.cluster

PORT = 8484


class ClusterJob:
    """One job of a namespace and what is seen of it."""

    def __init__(self, kube: KubeClient, namespace: str, plan: Plan) -> None:
        self.kube, self.namespace, self.name = kube, namespace, object_name(plan.id)
        kube.create(kinds.SECRET, render_secret(plan), namespace)
        kube.create(kinds.JOB, render_job(plan), namespace)
        self.pod_name = wait_until(self._find_pod, 30, every=0.1)

    def _find_pod(self) -> str | None:
        pods = self.kube.list(kinds.POD, self.namespace, labels={"batch.kubernetes.io/job-name": self.name})
        return pods[0]["metadata"]["name"] if pods else None

    def pod(self) -> dict[str, Any]:
        return self.kube.get(kinds.POD, self.pod_name, self.namespace)

    def container(self, name: str) -> dict[str, Any]:
        status = self.pod()["status"]
        found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        return next((container for container in found if container["name"] == name), {})

    def ask(self, path: str, method: str = "GET", **query: int) -> bytes | None:
        """Ask the sidecar through the pod proxy; None while it cannot be reached."""
        try:
            headers = {"X-Mooring-Token": TOKEN}
            answer = self.kube.pod_proxy(self.namespace, self.pod_name, PORT, method, path, query=query, headers=headers)
            return answer.read() if answer.status == 200 else None
        except KubeError:
            return None

    def status(self) -> dict[str, Any]:
        raw = self.ask("/v1/status")
        return json.loads(raw) if raw else {}

    def wait_for_phase(self, *phases: str, seconds: float = 90) -> dict[str, Any]:
        return wait_until(lambda: (found := self.status()).get("phase") in phases and found, seconds, every=0.1)

    def wait_for_text(self, text: bytes) -> None:
        wait_until(lambda: text in (self.ask("/v1/log/std_log.txt") or b""), 90, every=0.1)

    def follow(self) -> bytes:
        headers = {"X-Mooring-Token": TOKEN}
        answer = self.kube.pod_proxy(
            self.namespace,
            self.pod_name,
            PORT,
            "GET",
            "/v1/log/std_log.txt",
            query={"offset": 0, "follow": 1},
            headers=headers,
            timeout=60,
        )
        return answer.read()

    def wait_for_end(self, seconds: float = 60) -> dict[str, Any]:
        """Wait until the Job object says how it ended."""

        def ended() -> dict[str, Any] | None:
            status = self.kube.get(kinds.JOB, self.name, self.namespace)["status"]
            done = [row["type"] for row in status.get("conditions") or [] if row["status"] == "True"]
            return status if {"Complete", "Failed"} & set(done) else None

        found: dict[str, Any] = wait_until(ended, seconds, every=0.2)
        return found


Submit = Callable[..., ClusterJob]


@pytest.fixture
def studio(sandbox: dict[str, Any], real_pods: dict[str, str]) -> Iterator[StudioSide]:
    made = StudioSide(address=sandbox["host_address"])
    yield made
    made.close()


@pytest.fixture
def submit(kube: KubeClient, namespace: str, studio: StudioSide, real_pods: dict[str, str]) -> Iterator[Submit]:
    jobs: list[ClusterJob] = []

    def make(command: str, *, image: str = "python", **more: Any) -> ClusterJob:
        plan = Plan(
            id=len(jobs) + 1,
            name="calm_otter",
            workspace="demo",
            compute_id=1,
            namespace=namespace,
            image=real_pods.get(image, image),
            runner_image=real_pods["runner"],
            command=command,
            token=TOKEN,
            studio_url=studio.url,
            **more,
        )
        jobs.append(ClusterJob(kube, namespace, plan))
        return jobs[-1]

    yield make
    for job in jobs:
        kube.delete(kinds.JOB, job.name, namespace)
        kube.delete(kinds.POD, job.pod_name, namespace, grace=0)


def test_code_and_inputs_go_in_and_log_outputs_and_the_code_come_out(submit: Submit, studio: StudioSide) -> None:
    program = (
        b"import os, pathlib, sys\n"
        b"for line in range(20000): print(line)\n"
        b"print(open(os.environ['TABLE']).read(), os.getuid(), os.environ['HOME'])\n"
        b"pathlib.Path('outputs/deep').mkdir(); pathlib.Path('outputs/deep/a.txt').write_text('a')\n"
        b"pathlib.Path('/mooring/outputs/model/m.bin').write_bytes(b'm' * 5000000)\n"
        b"sys.exit(3)\n"
    )
    table = {"kind": "file", "digest": studio.add_tree({"t.csv": b"1,2,3"}), "path": "/mooring/inputs/table/t.csv"}
    job = submit(
        "python train.py",
        code_digest=studio.add_tree({"train.py": program}),
        inputs={"table": table},
        outputs={"model": {"kind": "folder", "path": "/mooring/outputs/model"}},
        environment={"TABLE": "/mooring/inputs/table/t.csv", "PYTHONUNBUFFERED": "1"},
    )
    job.wait_for_phase("running", "ended", "finished")
    log = job.follow()
    assert log == "".join(f"{line}\n" for line in range(20_000)).encode() + b"1,2,3 1000 /mooring/home\n"
    assert job.ask("/v1/log/std_log.txt/ack", "POST", bytes=len(log))
    finished = studio.wait_for(lambda: studio.finished, 60)[0]
    assert (finished["exit"]["code"], finished["exit"]["log_bytes"], finished["problems"]) == (3, len(log), [])
    assert studio.outputs["artifacts", "outputs/deep/a.txt"] == b"a"
    assert studio.outputs["model", "m.bin"] == b"m" * 5_000_000
    assert job.wait_for_end()["failed"] == 1
    assert job.container("job")["state"]["terminated"]["exitCode"] == 3
    assert job.container("runner")["state"]["terminated"]["exitCode"] == 0


def test_an_image_with_neither_bash_nor_tee_will_do(submit: Submit, studio: StudioSide) -> None:
    job = submit('echo "hello from $0"; type bash tee || echo kept > outputs/a', image="minimal")
    finished = studio.wait_for(lambda: studio.finished, 90)[0]
    assert finished["exit"]["code"] == 0
    assert studio.outputs == {("artifacts", "outputs/a"): b"kept\n"}
    studio.wait_for(lambda: studio.log, 30)
    assert studio.log.startswith(b"hello from sh\n"), studio.log
    assert job.wait_for_end()["succeeded"] == 1


def test_sigterm_reaches_a_grandchild_and_what_it_saves_is_kept(
    submit: Submit, studio: StudioSide, kube: KubeClient, namespace: str
) -> None:
    job = submit(
        """sh -c 'trap "echo saved > outputs/saved; echo grandchild got it; exit 0" TERM
        echo ready; while :; do sleep 0.1; done'; echo not reached"""
    )
    job.wait_for_text(b"ready")
    kube.delete(kinds.JOB, job.name, namespace)
    finished = studio.wait_for(lambda: studio.finished, 40)[0]
    assert finished["exit"]["reason"] == "terminated"
    assert studio.outputs == {("artifacts", "outputs/saved"): b"saved\n"}
    studio.wait_for(lambda: b"grandchild got it" in studio.log, 30)
    wait_until(lambda: kube.find(kinds.POD, job.pod_name, namespace) is None, 40, every=0.2)


def test_an_output_that_cannot_be_stored_is_told_although_the_command_succeeded(submit: Submit, studio: StudioSide) -> None:
    studio.fail("^PUT .*/outputs/", "status:507", times=99)
    submit("echo lost > outputs/lost")
    finished = studio.wait_for(lambda: studio.finished, 90)[0]
    assert finished["exit"]["code"] == 0
    assert [(problem["id"], problem["severity"]) for problem in finished["problems"]] == [("output-not-stored", "error")]


def test_a_sidecar_that_is_killed_comes_back_and_goes_on(submit: Submit, studio: StudioSide) -> None:
    job = submit("echo one; while [ ! -e go ]; do sleep 0.1; done; echo two; echo kept > outputs/a")
    job.wait_for_text(b"one")
    assert job.ask("/v1/log/std_log.txt/ack", "POST", bytes=4)
    os.kill(process_of(job.pod()["metadata"]["uid"], "serve"), signal.SIGKILL)
    wait_until(lambda: job.container("runner").get("restartCount") == 1, 60, every=0.2)
    assert job.wait_for_phase("running")["logs"]["std_log.txt"]["acknowledged"] == 4
    studio.log += b"one\n"
    entrypoint = process_of(job.pod()["metadata"]["uid"], "/mooring/bin/entrypoint")
    Path(f"/proc/{entrypoint}/root/mooring/work/go").touch()
    finished = studio.wait_for(lambda: studio.finished, 60)[0]
    assert finished["exit"]["code"] == 0
    studio.wait_for(lambda: bytes(studio.log) == b"one\ntwo\n", 30)
    assert studio.outputs == {("artifacts", "outputs/a"): b"kept\n"}


def test_a_job_whose_image_cannot_be_had_leaves_at_once(submit: Submit, kube: KubeClient, namespace: str, studio: StudioSide) -> None:
    job = submit("true", image="mooring.local/there-is-none:1")
    job.wait_for_phase("waiting")
    wait_until(lambda: "waiting" in job.container("job").get("state", {}), 60, every=0.2)
    kube.delete(kinds.JOB, job.name, namespace)
    wait_until(lambda: kube.find(kinds.POD, job.pod_name, namespace) is None, 20, every=0.2)
    assert studio.finished == []


def test_what_cannot_be_prepared_is_told_in_the_pods_status(submit: Submit) -> None:
    job = submit("true", code_digest="sha256:" + "0" * 64)
    ended = wait_until(lambda: job.container("prepare").get("state", {}).get("terminated"), 90, every=0.2)
    assert ended["exitCode"] == 1
    told = json.loads(ended["message"])
    assert told["id"] == "job-code-unavailable"
    assert "404" in told["text"]


def test_a_command_that_takes_too_much_memory_leaves_its_log_and_outputs(submit: Submit, studio: StudioSide) -> None:
    program = "print('before', flush=True); open('outputs/a', 'w').write('kept'); x = b'x' * (1 << 30)"
    submit(f'python -c "{program}"', limits={"memory": "128Mi", "cpu": "1"}, requests={"memory": "64Mi", "cpu": "100m"})
    finished = studio.wait_for(lambda: studio.finished, 90)[0]
    assert finished["exit"] is None or finished["exit"]["code"] == 137
    assert studio.outputs == {("artifacts", "outputs/a"): b"kept"}
    studio.wait_for(lambda: bytes(studio.log).startswith(b"before\n"), 30)


def process_of(pod_uid: str, word: str) -> int:
    """Find a process of a pod on this machine, which is also the node."""
    if os.geteuid() != 0:
        pytest.skip("needs root to see the pod's processes")
    mark = pod_uid.replace("-", "_").encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            groups, command = (folder / "cgroup").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        of_pod = pod_uid.encode() in groups or mark in groups
        if of_pod and word.encode() in command.split(b"\0"):
            return int(folder.name)
    pytest.fail(f"no process {word} of pod {pod_uid}")
