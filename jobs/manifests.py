"""What a job is in the cluster: one Secret and one batch/v1 Job, as pure functions of a plan.

Everything stays within the *restricted* Pod Security level unless the compute's operator allows root.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from compute.network import pods
from compute.network.pods import PodNetwork

PORT = 8484
ROOT = "/mooring"
JOB_NAME = "mooring.dev/job"
# The sidecar drains within this; the entrypoint ends the command after GRACE seconds of it.
DRAIN_SECONDS = 600
GRACE_SECONDS = 30
RUN_AS = 1000


@dataclass(frozen=True)
class Plan:
    """All that a job's objects depend on. Sizes are Kubernetes quantities; times are seconds."""

    id: int
    name: str
    workspace: str
    compute_id: int
    namespace: str
    image: str
    runner_image: str
    command: str
    token: str
    studio_url: str
    studio_ca: str = ""
    transport: str = "direct"
    environment: dict[str, str] = field(default_factory=dict)
    code_digest: str = ""
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    count: int = 1
    retries: int = 0
    timeout_seconds: int | None = None
    shm_size: str = ""
    scratch_size: str = "20Gi"
    allow_root: bool = False
    # How the person's container reaches the world; the runner's own reach the studio directly, whatever it says.
    network: PodNetwork = field(default_factory=PodNetwork)
    # OpenShift gives each namespace a range of user ids: there, the ids are left for it to set.
    fixed_user: bool = True


def labels(plan: Plan) -> dict[str, str]:
    """Return the labels by which everything of this job is found."""
    return {
        "app.kubernetes.io/managed-by": "mooring",
        "mooring.dev/kind": "job",
        "mooring.dev/id": str(plan.id),
        "mooring.dev/workspace": plan.workspace,
        "mooring.dev/compute": str(plan.compute_id),
    }


def annotations(plan: Plan) -> dict[str, str]:
    """Return the annotations of everything of this job; names are longer than labels may be."""
    return {JOB_NAME: plan.name}


def names_job(thing: dict[str, Any], name: str) -> bool:
    """Tell whether an object is of the job of this name, as far as it says so: ids repeat from studio to studio."""
    said = (thing["metadata"].get("annotations") or {}).get(JOB_NAME)
    return said is None or said == name


def object_name(job_id: int) -> str:
    """Return the name of a job's objects."""
    return f"mj-{job_id}"


def render_secret(plan: Plan, owner_uid: str = "") -> dict[str, Any]:
    """Return the Secret of which the person's container sees no more than the way out: the job's token, what to bring where."""
    spec = {
        "version": 1,
        "job": plan.name,
        "process": {"index": 0},
        "studio": {"url": plan.studio_url, "ca": plan.studio_ca or None},
        "transport": plan.transport,
        "code": {"digest": plan.code_digest} if plan.code_digest else None,
        "inputs": plan.inputs,
        "outputs": plan.outputs,
        "command": plan.command,
        "environment": plan.environment,
        "timeout_seconds": plan.timeout_seconds,
        "grace_seconds": GRACE_SECONDS,
    }
    metadata: dict[str, Any] = {"name": object_name(plan.id), "namespace": plan.namespace, "labels": labels(plan)}
    metadata["annotations"] = annotations(plan)
    if owner_uid:
        metadata["ownerReferences"] = [
            {"apiVersion": "batch/v1", "kind": "Job", "name": object_name(plan.id), "uid": owner_uid, "controller": True}
        ]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": {
            "token": encoded(plan.token),
            "spec.json": encoded(json.dumps(spec)),
            **{key: encoded(value) for key, value in pods.secret_data(plan.network).items()},
        },
    }


def render_job(plan: Plan) -> dict[str, Any]:
    """Return the Job: `count` pods at once, each run to its end once, or again up to `retries` times in all."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": object_name(plan.id),
            "namespace": plan.namespace,
            "labels": labels(plan),
            "annotations": annotations(plan),
        },
        "spec": {
            "completions": plan.count,
            "parallelism": plan.count,
            "completionMode": "Indexed",
            "backoffLimit": plan.retries,
            # A new pod only when the old one has ended for good: two of one process would write over each other.
            "podReplacementPolicy": "Failed",
            "template": {"metadata": {"labels": labels(plan), "annotations": annotations(plan)}, "spec": _pod(plan)},
        },
    }


def _pod(plan: Plan) -> dict[str, Any]:
    return without_empty(
        {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": DRAIN_SECONDS,
            "nodeSelector": plan.node_selector,
            "tolerations": plan.tolerations,
            "securityContext": pod_security(plan),
            "initContainers": [_prepare(plan), _sidecar(plan)],
            "containers": [_command(plan)],
            "volumes": _volumes(plan),
        }
    )


def _prepare(plan: Plan) -> dict[str, Any]:
    return _runner(plan, "prepare", ["prepare"])


def _sidecar(plan: Plan) -> dict[str, Any]:
    container = _runner(plan, "runner", ["serve"])
    return container | {"restartPolicy": "Always", "ports": [{"containerPort": PORT, "name": "runner"}]}


def _runner(plan: Plan, name: str, args: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": plan.runner_image,
        "imagePullPolicy": "IfNotPresent",
        "args": args,
        "env": [
            {"name": "MOORING_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            _index_variable("MOORING_PROCESS_INDEX"),
        ],
        # Small requests so that it never decides where a job fits; the memory limit holds a runaway.
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": container_security(plan, own=True),
        "volumeMounts": [
            {"name": "mooring", "mountPath": ROOT},
            {"name": "secret", "mountPath": "/var/run/mooring", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 of the pod
        ],
    }


def _command(plan: Plan) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [{"name": "mooring", "mountPath": ROOT}, *pods.mounts(plan.network)]
    if plan.shm_size:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 of the pod
    network = pods.variables(plan.network, object_name(plan.id), given=plan.environment)
    given = [{"name": name, "value": value} for name, value in sorted(plan.environment.items())]
    own = [] if "HOME" in plan.environment else [{"name": "HOME", "value": f"{ROOT}/home"}]
    return without_empty(
        {
            "name": "job",
            "image": plan.image,
            "imagePullPolicy": "IfNotPresent",
            "command": [f"{ROOT}/bin/entrypoint"],
            "workingDir": f"{ROOT}/work",
            "env": [*own, _index_variable("AZUREML_NODE_INDEX"), *network, *given],
            "resources": without_empty({"requests": plan.requests, "limits": plan.limits}),
            "securityContext": container_security(plan, own=False),
            "terminationMessagePolicy": "File",
            "volumeMounts": mounts,
        }
    )


def _volumes(plan: Plan) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {"name": "mooring", "emptyDir": {"sizeLimit": plan.scratch_size}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "secret", "secret": {"secretName": object_name(plan.id), "defaultMode": 0o440}},
        *pods.volumes(plan.network, object_name(plan.id)),
    ]
    if plan.shm_size:
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": plan.shm_size}})
    return volumes


class Secured(Protocol):
    """What of a plan decides as whom its containers run."""

    @property
    def allow_root(self) -> bool: ...

    @property
    def fixed_user(self) -> bool: ...


def pod_security(plan: Secured) -> dict[str, Any]:
    """Return a pod's security context: *restricted*, unless the compute's operator allows root."""
    security: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    if plan.fixed_user:
        security["fsGroup"] = RUN_AS
        if not plan.allow_root:
            security |= {"runAsNonRoot": True, "runAsUser": RUN_AS, "runAsGroup": RUN_AS}
    elif not plan.allow_root:
        security["runAsNonRoot"] = True
    return security


def container_security(plan: Secured, *, own: bool) -> dict[str, Any]:
    """Return a container's security context; `own` are the runner's, which need nothing that may be written."""
    if own:
        users = {"runAsUser": RUN_AS, "runAsGroup": RUN_AS} if plan.fixed_user else {}
        return {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            **users,
        }
    if plan.allow_root:
        return {"allowPrivilegeEscalation": False}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _index_variable(name: str) -> dict[str, Any]:
    path = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def encoded(text: str) -> str:
    """Return a text as a Secret holds it."""
    return base64.b64encode(text.encode()).decode()


def without_empty(values: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest's fields without those that say nothing."""
    return {key: value for key, value in values.items() if value not in ({}, [], "")}
