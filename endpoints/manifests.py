"""What a deployment is in the cluster: one Secret, one Deployment and one Service, as pure functions of a plan.

Everything stays within the *restricted* Pod Security level unless the compute's operator allows root.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from compute.network import pods as network_pods
from compute.network.pods import PodNetwork
from jobs.manifests import ROOT, container_security, encoded, pod_security, without_empty

SERVER = "inference-server"
PREPARE = "prepare"
SCORING_PORT = 5001
SERVICE_PORT = 80
MODELS = "/var/azureml-app/azureml-models"
# Of what a server of our own does after SIGTERM, and of what an own container is given before it (seconds).
DRAIN_SECONDS = 5
REVISION = "mooring.dev/revision"
ORDERS = "mooring.dev/orders"
SETTINGS = "mooring.dev/settings"
ROLLOUT = "mooring.dev/rollout"
# The original's defaults, in seconds and times.
PROBE = {"initial_delay": 10, "period": 10, "timeout": 2, "success_threshold": 1, "failure_threshold": 30}


@dataclass(frozen=True)
class Plan:
    """All that a deployment's objects depend on. Sizes are Kubernetes quantities; times are seconds."""

    id: int
    name: str
    endpoint: str
    endpoint_id: int
    workspace: str
    compute_id: int
    namespace: str
    revision: int
    # A revision's spec, as endpoints/accepting.py makes it.
    spec: dict[str, Any]
    runner_image: str
    token: str
    studio_url: str
    studio_ca: str = ""
    transport: str = "direct"
    count: int = 1
    # A mark of the cluster's settings as they are in this plan, and how often all pods were asked to be replaced.
    settings: str = ""
    rollouts: int = 0
    deadline: int = 1200
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    network: PodNetwork = field(default_factory=PodNetwork)
    scratch_size: str = "20Gi"
    allow_root: bool = False
    fixed_user: bool = True

    @property
    def object_name(self) -> str:
        return f"md-{self.id}"

    @property
    def routes(self) -> dict[str, Any] | None:
        """The routes of a container of one's own; None for the scoring server."""
        return self.spec.get("routes") or None

    @property
    def port(self) -> int:
        """The port that requests go to."""
        return int(self.routes["scoring"]["port"]) if self.routes else SCORING_PORT

    @property
    def request_timeout(self) -> int:
        """How long a request may take, in whole seconds, rounded up."""
        return -(-int(self.spec["request_settings"]["request_timeout_ms"]) // 1000)

    @property
    def grace(self) -> int:
        """How long a pod may take to end what it has begun."""
        return DRAIN_SECONDS + self.request_timeout + 10


def labels(plan: Plan) -> dict[str, str]:
    """Return the labels by which everything of this deployment is found."""
    return {
        "app.kubernetes.io/managed-by": "mooring",
        "mooring.dev/kind": "deployment",
        "mooring.dev/id": str(plan.id),
        "mooring.dev/workspace": plan.workspace,
        "mooring.dev/compute": str(plan.compute_id),
        "mooring.dev/endpoint": plan.endpoint,
    }


def selector(deployment_id: int) -> dict[str, str]:
    """Return the labels that all pods of a deployment have, whatever their revision."""
    return {"app.kubernetes.io/managed-by": "mooring", "mooring.dev/kind": "deployment", "mooring.dev/id": str(deployment_id)}


def render_secret(plan: Plan) -> dict[str, Any]:
    """Return the Secret with the deployment's token, which only `prepare` sees, and what of the network is secret."""
    data = {"token": plan.token} | network_pods.secret_data(plan.network)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": plan.object_name, "namespace": plan.namespace, "labels": labels(plan)},
        "type": "Opaque",
        "data": {name: encoded(text) for name, text in sorted(data.items())},
    }


def render_orders(plan: Plan) -> str:
    """Return what `prepare` is to bring where: kept with the pods of the revision, as older ones want older files."""
    spec = {
        "version": 1,
        "kind": "deployment",
        "job": str(plan.id),
        "base": f"/runner/v1/deployments/{plan.id}",
        "studio": {"url": plan.studio_url, "ca": plan.studio_ca or None},
        "transport": plan.transport,
        "code": {"digest": plan.spec["code_digest"]} if plan.spec.get("code_digest") else None,
        "inputs": _model_files(plan),
        "outputs": {},
        "command": "",
    }
    return json.dumps(spec, sort_keys=True)


def render_service(plan: Plan) -> dict[str, Any]:
    """Return the Service behind which all ready pods of the deployment stand."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": plan.object_name, "namespace": plan.namespace, "labels": labels(plan)},
        "spec": {
            "selector": selector(plan.id),
            "ports": [{"name": "http", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": "scoring"}],
        },
    }


def render_deployment(plan: Plan) -> dict[str, Any]:
    """Return the Deployment of one revision: a new pod is ready before an old one goes."""
    marks = labels(plan) | {REVISION: str(plan.revision)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": plan.object_name,
            "namespace": plan.namespace,
            "labels": marks,
            "annotations": {"mooring.dev/deployment": f"{plan.endpoint}/{plan.name}"},
        },
        "spec": {
            "replicas": plan.count,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": plan.deadline,
            "selector": {"matchLabels": selector(plan.id)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": marks, "annotations": _annotations(plan)}, "spec": _pod(plan)},
        },
    }


def _annotations(plan: Plan) -> dict[str, str]:
    """Return what pods carry: their orders, and what tells them from those of before where nothing else would.

    Authorities stand in a Secret, and programs read them once: without the mark old pods would go on with the old ones.
    """
    marks = {SETTINGS: plan.settings, ROLLOUT: str(plan.rollouts) if plan.rollouts else ""}
    return {ORDERS: render_orders(plan)} | {name: text for name, text in marks.items() if text}


def model_folder(spec: dict[str, Any]) -> str:
    """Return AZUREML_MODEL_DIR: `<mount>/<name>/<version>`, below which the model's own folder or file lies."""
    model = spec["model"]
    return f"{spec.get('model_mount_path') or MODELS}/{model['name']}/{model['version']}"


def _pod(plan: Plan) -> dict[str, Any]:
    return without_empty(
        {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": plan.grace,
            "nodeSelector": plan.node_selector,
            "tolerations": plan.tolerations,
            "securityContext": pod_security(plan),
            "initContainers": [_prepare(plan)],
            "containers": [_server(plan)],
            "volumes": _volumes(plan),
        }
    )


def _prepare(plan: Plan) -> dict[str, Any]:
    return {
        "name": PREPARE,
        "image": plan.runner_image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["prepare"],
        "env": [
            {"name": "MOORING_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            *network_pods.variables(plan.network, plan.object_name),
        ],
        "ports": [{"containerPort": 8484, "name": "runner"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": container_security(plan, own=True),
        "volumeMounts": [
            {"name": "mooring", "mountPath": ROOT},
            {"name": "secret", "mountPath": "/var/run/mooring", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 of the pod
            *network_pods.mounts(plan.network),
        ],
    }


def _server(plan: Plan) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [{"name": "mooring", "mountPath": ROOT}]
    if plan.spec.get("model"):
        mount = plan.spec.get("model_mount_path") or MODELS
        mounts.append({"name": "mooring", "mountPath": mount, "subPath": "models", "readOnly": True})
    resources = plan.spec.get("resources") or {}
    container: dict[str, Any] = {
        "name": SERVER,
        "image": plan.spec["image"],
        "imagePullPolicy": "IfNotPresent",
        "env": _environment(plan),
        "ports": [{"containerPort": plan.port, "name": "scoring", "protocol": "TCP"}],
        "resources": without_empty({"requests": resources.get("requests") or {}, "limits": resources.get("limits") or {}}),
        "securityContext": container_security(plan, own=False),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*mounts, *network_pods.mounts(plan.network)],
        **_probes(plan),
    }
    if plan.routes:
        # An own container knows nothing of the router: it is left running until no new request comes.
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}
    else:
        container |= {"command": ["/bin/sh", f"{ROOT}/bin/scoring.pyz"], "workingDir": f"{ROOT}/work"}
    return without_empty(container)


def _environment(plan: Plan) -> list[dict[str, Any]]:
    """Return the variables: those of the original, those of the scoring server, the network's; a person's own win."""
    spec, asked = plan.spec, plan.spec["request_settings"]
    own = {"HOME": f"{ROOT}/home", "PYTHONUNBUFFERED": "1"}
    if spec.get("model"):
        own["AZUREML_MODEL_DIR"] = model_folder(spec)
    if spec.get("code_digest"):
        own |= {"AML_APP_ROOT": f"{ROOT}/work", "AZUREML_ENTRY_SCRIPT": spec["scoring_script"]}
    if not plan.routes:
        own |= {
            "MOORING_SCORING_MAX_CONCURRENT": str(asked["max_concurrent_requests_per_instance"]),
            "MOORING_SCORING_MAX_QUEUE_WAIT_MS": str(asked["max_queue_wait_ms"]),
            "MOORING_SCORING_REQUEST_TIMEOUT_MS": str(asked["request_timeout_ms"]),
            "MOORING_SCORING_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "MOORING_SCORING_GRACE_SECONDS": str(plan.grace - 3),
        }
    given = spec.get("environment_variables") or {}
    variables = [{"name": name, "value": value} for name, value in (own | given).items()]
    return [*network_pods.variables(plan.network, plan.object_name, given), *variables]


def _probes(plan: Plan) -> dict[str, Any]:
    """Return the probes: nobody waits longer for the first readiness than the server takes.

    Until it is ready for the first time the server is asked every second; that is what the original's initial delay
    is for, which is therefore only kept where it was written down.
    """
    asked = plan.spec.get("probes") or {}
    routes = plan.routes or {}
    if plan.routes:
        live, ready = routes.get("liveness"), routes.get("readiness") or routes.get("liveness")
    else:
        live, ready = {"path": "/", "port": SCORING_PORT}, {"path": "/ready", "port": SCORING_PORT}
    first = {"initialDelaySeconds": 0, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": max(plan.deadline, 60)}
    return {
        "startupProbe": {**_how(ready or live, asked.get("startup"), plan.port), **first, **_written(asked.get("startup"))},
        "readinessProbe": {**_how(ready, asked.get("readiness"), plan.port), **_times(asked.get("readiness"), delay=False)},
        "livenessProbe": {**_how(live, asked.get("liveness"), plan.port), **_times(asked.get("liveness"), delay=True)},
    }


def _how(route: dict[str, Any] | None, asked: dict[str, Any] | None, port: int) -> dict[str, Any]:
    """Return the request of a probe; where an own container names no path, only its port is tried."""
    asked = asked or {}
    path = asked.get("path") or (route or {}).get("path")
    where = int(asked.get("port") or (route or {}).get("port") or port)
    return {"httpGet": {"path": path, "port": where}} if path else {"tcpSocket": {"port": where}}


_NAMES = {
    "initial_delay": "initialDelaySeconds",
    "period": "periodSeconds",
    "timeout": "timeoutSeconds",
    "success_threshold": "successThreshold",
    "failure_threshold": "failureThreshold",
}


def _times(asked: dict[str, Any] | None, *, delay: bool) -> dict[str, int]:
    """Return the times of a probe: those written down, else the original's; liveness has no success threshold but 1."""
    values = dict(PROBE) if delay else {**PROBE, "initial_delay": 0}
    values |= {name: int(value) for name, value in (asked or {}).items() if name in PROBE}
    if delay:
        values["success_threshold"] = 1
    return {_NAMES[name]: value for name, value in values.items()}


def _written(asked: dict[str, Any] | None) -> dict[str, int]:
    return {_NAMES[name]: int(value) for name, value in (asked or {}).items() if name in PROBE and name != "success_threshold"}


def _volumes(plan: Plan) -> list[dict[str, Any]]:
    orders = {"path": "spec.json", "fieldRef": {"fieldPath": f"metadata.annotations['{ORDERS}']"}}
    token = {"name": plan.object_name, "items": [{"key": "token", "path": "token"}]}
    sources = [{"secret": token}, {"downwardAPI": {"items": [orders]}}]
    return [
        {"name": "mooring", "emptyDir": {"sizeLimit": plan.scratch_size}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "secret", "projected": {"defaultMode": 0o440, "sources": sources}},
        *network_pods.volumes(plan.network, plan.object_name),
    ]


def _model_files(plan: Plan) -> dict[str, dict[str, str]]:
    """Return where `prepare` puts the model's files, in the form of a job's inputs."""
    model = plan.spec.get("model")
    if not model:
        return {}
    folder = f"{ROOT}/models/{model['name']}/{model['version']}"
    if model["base_name"] and not model["is_file"]:
        folder += f"/{model['base_name']}"
    return {"model": {"kind": "folder", "digest": model["digest"], "path": folder}}
