"""What the first `make run` puts into an empty studio: a workspace, the cluster, a compute, image rules, one job.

What was done is remembered in `<data>/seed.json`, so that a later run leaves alone what people have since changed or
removed. Only what the sandbox itself has made anew (its credentials, its images) is followed.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from memory import Memory

from mooring.client import Client, Compute, Job
from mooring.errors import MooringError, MooringProblem

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample" / "train" / "job.yml"
SIMULATED = "simulated: no container ran"
WORKSPACE, CLUSTER, COMPUTE, NAMESPACE = "demo", "local", "local", "demo"
READY_SECONDS = 120
SIMULATED_SECONDS = 60
# Which image stands in for which name, the first match counts. What the public examples of Azure ML name and these
# images can run; names of environments with PyTorch or TensorFlow are left to be refused, rather than to fail on import.
RULES = (
    (10, "python:*", "python", "Debian's Python"),
    (11, "library/python:*", "python", "Debian's Python"),
    (12, "docker.io/library/python:*", "python", "Debian's Python"),
    (20, "*sklearn*", "sklearn", "scikit-learn environments, whatever their version"),
    (21, "*scikit-learn*", "sklearn", "scikit-learn environments, whatever their version"),
    (30, "mcr.microsoft.com/azureml/openmpi*", "sklearn", "base images of Azure ML; MPI is not in it"),
    (31, "mcr.microsoft.com/azureml/minimal*", "sklearn", "base images of Azure ML"),
    (32, "*AzureML-minimal*", "sklearn", "base environments of Azure ML"),
)
NAMESPACE_IN_USE = {"compute-namespace-exists", "compute-namespace-taken", "compute-namespace-terminating"}


class Seed:
    """One run of the seed against a studio that is ready."""

    def __init__(self, client: Client, cluster: Mapping[str, Any], done: Memory, say: Callable[[str], None]) -> None:
        self.client = client
        self.cluster = cluster
        self.say = say
        self.done = done
        self.kubeconfig = Path(str(cluster["kubeconfig"])).read_text(encoding="utf-8")

    def run(self, runner_image: str) -> bool:
        """Bring the studio to where the sample has run; return whether it has Completed (in this run or before)."""
        self._workspace()
        self._cluster()
        self._compute()
        self._image_rules()
        if not runner_image:
            self.say("this cluster has no runner image, so that jobs cannot run yet: set MOORING_RUNNER_IMAGE (docs/operators/settings.md)")
            return False
        return self._sample()

    def _workspace(self) -> None:
        if "workspace" not in self.done:
            if WORKSPACE not in [one.name for one in self.client.workspaces.list()]:
                self.client.workspaces.create(WORKSPACE, display_name="Demo")
            self.done.keep(workspace=WORKSPACE)

    def _cluster(self) -> None:
        credentials = hashlib.sha256(self.kubeconfig.encode()).hexdigest()
        there = CLUSTER in [one.name for one in self.client.clusters.list()]
        if "cluster" not in self.done:
            if not there:
                self.say(f"attaching the cluster as “{CLUSTER}”")
                self.client.clusters.attach(CLUSTER, kubeconfig=self.kubeconfig)
            self.done.keep(cluster=credentials)
        elif there and self.done["cluster"] != credentials:
            # The sandbox was removed and made anew: same address, another authority.
            self.say("the cluster was made anew: replacing its credentials")
            self.client.clusters.replace_credentials(CLUSTER, kubeconfig=self.kubeconfig)
            self.done.keep(cluster=credentials)
        elif not there:
            return
        self._until(lambda: self.client.clusters.get(CLUSTER).status in ("ready", "degraded"), "the cluster to be ready")

    def _compute(self) -> None:
        if "compute" in self.done:
            return
        if COMPUTE not in [one.name for one in self.client.computes.list()]:
            made = self._attach_compute()
            self.say(f"attached namespace {made.namespace} as compute “{made.name}”")
        self._until(lambda: self.client.computes.get(COMPUTE).status == "ready", "the compute to be ready")
        self.done.keep(compute=COMPUTE)

    def _attach_compute(self) -> Compute:
        """Attach the namespace `demo`, or the next free name: an earlier studio of this cluster may have left one."""
        for number in range(1, 20):
            namespace = NAMESPACE if number == 1 else f"{NAMESPACE}-{number}"
            try:
                return self.client.computes.attach(COMPUTE, cluster=CLUSTER, namespace=namespace, create_namespace=True)
            except MooringProblem as problem:
                if problem.id not in NAMESPACE_IN_USE:
                    raise
        raise MooringError(
            "seed-namespaces", f"The namespaces {NAMESPACE} to {namespace} are all in use", "", "Remove one of them with kubectl."
        )

    def _image_rules(self) -> None:
        images = images_of(self.cluster)
        if not images:
            return
        now = {one["pattern"]: one for one in self.client.transport.json("GET", "image-rules")["items"]}
        before: dict[str, str] = self.done.get("image_rules", {})
        for position, pattern, name, note in (rule for rule in RULES if rule[2] in images):
            rule = now.get(pattern)
            # Ours to change: one that was never made, or that still says what we said last time.
            ours = pattern not in before if rule is None else rule["image"] == before.get(pattern)
            if ours and (rule is None or rule["image"] != images[name]):
                given = {"pattern": pattern, "image": images[name], "note": note, "position": position}
                self.client.transport.json("PUT", "image-rules", json=given)
        self.done.keep(image_rules={pattern: images[name] for _, pattern, name, _ in RULES if name in images})

    def _sample(self) -> bool:
        if self.done.get("sample_ended"):
            return self.done["sample_ended"] == "Completed"
        job = self.client.jobs.create(SAMPLE, overrides=[f"compute={COMPUTE}"], idempotency_key="sample-train")
        self.done.keep(sample=job.name)
        self.say(f"submitted the sample job {job.name}: {job.url}")
        job = self._simulated(job) if self.cluster.get("simulated") else self._follow(job)
        if job.is_final:
            self.done.keep(sample_ended=job.status)
        if self.cluster.get("simulated"):
            self.say(SIMULATED)
            return False
        self.say(f"the sample job has {'completed' if job.status == 'Completed' else f'ended: {job.status}. {_why(job)}'}")
        return job.status == "Completed"

    def _follow(self, job: Job) -> Job:
        told = ""

        def seen(now: Job) -> None:
            nonlocal told
            line = f"{now.status}{f': {now.reason}' if now.reason else ''}"
            if line != told and not now.is_final:
                self.say(f"  {line}")
            told = line

        sys.stdout.flush()
        for chunk in self.client.jobs.stream(job.name, seen=seen):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        return self.client.jobs.wait(job.name, timeout_seconds=900)

    def _simulated(self, job: Job) -> Job:
        """Give a cluster without containers a while to take the job; what becomes of it proves nothing."""
        try:
            return self.client.jobs.wait(job.name, timeout_seconds=SIMULATED_SECONDS)
        except TimeoutError:
            return self.client.jobs.get(job.name)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                self.say(f"still waiting for {what}; its page says why")
                return
            time.sleep(0.3)


def images_of(cluster: Mapping[str, Any]) -> dict[str, str]:
    """Return the images for jobs; where nothing is ever pulled, names that say so."""
    if cluster.get("simulated"):
        return {name: f"mooring.local/{name}:simulated" for name in ("python", "sklearn", "runner")}
    if cluster.get("mode") == "given":
        # Nobody but who runs it knows where that cluster pulls images from.
        named = (pair.partition("=") for pair in os.environ.get("MOORING_JOB_IMAGES", "").split(",") if pair.strip())
        return {name.strip(): image.strip() for name, _, image in named}
    return dict(cluster.get("images") or {})


def _why(job: Job) -> str:
    problem: Mapping[str, Any] = job.problem or {}
    return " ".join(str(problem[part]) for part in ("title", "detail", "text", "todo") if problem.get(part)) or job.reason
