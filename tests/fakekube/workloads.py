"""What controllers, schedulers and kubelets would do, done by a call from the test."""

import uuid
from typing import Any

from compute.kube import kinds
from compute.kube.kinds import Kind
from tests.fakekube.store import Object, Selection, Store, merged, now


class Workloads:
    """Move nodes, pods and Jobs through their lives."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.run_jobs = True
        store.on_create.append(self._created)

    def namespace(self, name: str, labels: dict[str, str] | None = None) -> Object:
        """Make a namespace."""
        return self.store.create(kinds.NAMESPACE, None, {"metadata": {"name": name, "labels": dict(labels or {})}})

    def node(
        self,
        name: str,
        *,
        cpu: str = "4",
        memory: str = "16Gi",
        gpus: int = 0,
        labels: dict[str, str] | None = None,
        taints: list[dict[str, str]] | None = None,
        ready: bool = True,
        version: str = "v1.36.3",
    ) -> Object:
        """Make a node."""
        resources = {"cpu": cpu, "memory": memory, "pods": "110"}
        if gpus:
            resources["nvidia.com/gpu"] = str(gpus)
        manifest = {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "spec": {"taints": taints} if taints else {},
            "status": {
                "capacity": resources,
                "allocatable": resources,
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                "nodeInfo": {"kubeletVersion": version, "osImage": "Debian GNU/Linux 12", "architecture": "amd64"},
            },
        }
        return self.store.create(kinds.NODE, None, manifest)

    def node_ready(self, name: str, ready: bool = True) -> Object:
        """Say whether a node is ready."""
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        return self._status(kinds.NODE, None, name, {"conditions": [condition]})

    def pods_of(self, namespace: str, job: str) -> list[Object]:
        """Return a Job's pods, oldest first."""
        pods, _ = self.store.all(kinds.POD, Selection.of(namespace, {"labelSelector": f"batch.kubernetes.io/job-name={job}"}))
        return sorted(pods, key=lambda pod: int(pod["metadata"]["resourceVersion"]))

    def pod_unschedulable(self, namespace: str, name: str, message: str) -> Object:
        """Let the scheduler say why a pod finds no node."""
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        return self._status(kinds.POD, namespace, name, {"phase": "Pending", "conditions": [condition]})

    def pod_scheduled(self, namespace: str, name: str, node: str = "node-1") -> Object:
        """Bind a pod to a node."""
        self.store.update(kinds.POD, namespace, name, lambda pod: pod["spec"].update(nodeName=node))
        scheduled = {"type": "PodScheduled", "status": "True"}
        return self._status(kinds.POD, namespace, name, {"phase": "Pending", "startTime": now(), "conditions": [scheduled]})

    def pod_preparing(self, namespace: str, name: str) -> Object:
        """Start the first init container."""
        pod = self._bound(namespace, name)
        first, *others = _init_names(pod)
        waiting = [_waiting(each, "PodInitializing") for each in others]
        status = {
            "phase": "Pending",
            "initContainerStatuses": [_running(first), *waiting],
            "containerStatuses": [_waiting(each, "PodInitializing") for each in _names(pod)],
        }
        return self._status(kinds.POD, namespace, name, status)

    def pod_waiting(self, namespace: str, name: str, container: str, reason: str, message: str = "") -> Object:
        """Let a container wait for a reason such as ImagePullBackOff."""
        pod = self._bound(namespace, name)
        field = "initContainerStatuses" if container in _init_names(pod) else "containerStatuses"
        return self._status(kinds.POD, namespace, name, {field: [_waiting(container, reason, message)]})

    def pod_running(self, namespace: str, name: str, *, ip: str = "10.0.0.9") -> Object:
        """Run a pod's containers, its init containers done and its sidecars running."""
        pod = self._bound(namespace, name)
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
            "initContainerStatuses": [
                _running(each["name"]) if each.get("restartPolicy") == "Always" else _ended(each["name"], 0)
                for each in pod["spec"].get("initContainers") or []
            ],
            "containerStatuses": [_running(each) for each in _names(pod)],
        }
        return self._status(kinds.POD, namespace, name, status)

    def container_ended(self, namespace: str, name: str, container: str, code: int, reason: str = "") -> Object:
        """End one container while the others go on."""
        pod = self.store.get(kinds.POD, namespace, name)
        field = "initContainerStatuses" if container in _init_names(pod) else "containerStatuses"
        statuses = [_ended(container, code, reason) if each["name"] == container else each for each in pod["status"].get(field) or []]
        return self._status(kinds.POD, namespace, name, {field: statuses})

    def pod_succeeded(self, namespace: str, name: str) -> Object:
        """End a pod with success, and tell its Job."""
        return self._end(namespace, name, "Succeeded", 0, "Completed", {})

    def pod_failed(
        self,
        namespace: str,
        name: str,
        *,
        code: int = 1,
        reason: str = "Error",
        pod_reason: str = "",
        message: str = "",
    ) -> Object:
        """End a pod with failure, and tell its Job; ``pod_reason`` is the pod's own, such as Evicted."""
        extra = {key: value for key, value in {"reason": pod_reason, "message": message}.items() if value}
        return self._end(namespace, name, "Failed", code, reason, extra)

    def event(self, namespace: str, about: Object, reason: str, message: str, *, kind: str = "Warning") -> Object:
        """Record a Kubernetes event about an object."""
        metadata = about["metadata"]
        manifest = {
            "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:12]}"},
            "involvedObject": {
                "kind": about.get("kind"),
                "name": metadata["name"],
                "namespace": metadata.get("namespace"),
                "uid": metadata["uid"],
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
        }
        return self.store.create(kinds.EVENT, namespace, manifest)

    def pod_status(self, namespace: str, name: str, **status: Any) -> Object:
        """Set any part of a pod's status."""
        return self._status(kinds.POD, namespace, name, status)

    def _created(self, kind: Kind, obj: Object) -> None:
        namespace = obj["metadata"].get("namespace", "")
        if kind == kinds.POD and not obj.get("status"):
            self._status(kinds.POD, namespace, obj["metadata"]["name"], {"phase": "Pending"})
        if kind == kinds.JOB and self.run_jobs and not obj["spec"].get("suspend"):
            indexed = obj["spec"].get("completionMode") == "Indexed"
            for index in range(obj["spec"].get("parallelism", 1)):
                self._make_pod(obj, index if indexed else None)
            self._status(
                kinds.JOB,
                namespace,
                obj["metadata"]["name"],
                {"active": obj["spec"].get("parallelism", 1), "startTime": now()},
            )

    def _make_pod(self, job: Object, index: int | None) -> Object:
        template = job["spec"]["template"]
        metadata, uid = job["metadata"], job["metadata"]["uid"]
        labels = {
            **((template.get("metadata") or {}).get("labels") or {}),
            "batch.kubernetes.io/job-name": metadata["name"],
            "batch.kubernetes.io/controller-uid": uid,
            "job-name": metadata["name"],
        }
        annotations = dict((template.get("metadata") or {}).get("annotations") or {})
        middle = ""
        if index is not None:
            labels["batch.kubernetes.io/job-completion-index"] = str(index)
            annotations["batch.kubernetes.io/job-completion-index"] = str(index)
            middle = f"{index}-"
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": uid, "controller": True}
        manifest = {
            "metadata": {
                "name": f"{metadata['name']}-{middle}{uuid.uuid4().hex[:5]}",
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [owner],
            },
            "spec": template.get("spec") or {},
            "status": {"phase": "Pending"},
        }
        return self.store.create(kinds.POD, metadata["namespace"], manifest)

    def _bound(self, namespace: str, name: str) -> Object:
        pod = self.store.get(kinds.POD, namespace, name)
        return pod if pod["spec"].get("nodeName") else self.pod_scheduled(namespace, name)

    def _end(self, namespace: str, name: str, phase: str, code: int, reason: str, extra: dict[str, Any]) -> Object:
        pod = self._bound(namespace, name)
        status = {
            "phase": phase,
            "initContainerStatuses": [_ended(each, 0) for each in _init_names(pod)],
            "containerStatuses": [_ended(each, code, reason) for each in _names(pod)],
            **extra,
        }
        ended = self._status(kinds.POD, namespace, name, status)
        for owner in ended["metadata"].get("ownerReferences") or []:
            if owner["kind"] == "Job":
                self._count(namespace, owner["name"])
        return ended

    def _count(self, namespace: str, name: str) -> None:
        """Bring a Job's status up to date, as its controller does; start another pod while retries are left."""
        job = self.store.get(kinds.JOB, namespace, name)
        phases = [pod["status"]["phase"] for pod in self.pods_of(namespace, name)]
        succeeded, failed = phases.count("Succeeded"), phases.count("Failed")
        active = len(phases) - succeeded - failed
        status: dict[str, Any] = {"active": active, "succeeded": succeeded, "failed": failed}
        if failed > job["spec"].get("backoffLimit", 6):
            message = "Job has reached the specified backoff limit"
            status["conditions"] = [_condition("Failed", "BackoffLimitExceeded", message)]
        elif succeeded >= job["spec"].get("completions", 1):
            status["conditions"] = [_condition("Complete", "CompletionsReached", "Reached expected number of pods")]
            status["completionTime"] = now()
        elif active < job["spec"].get("parallelism", 1):
            self._make_pod(job, None)
            status["active"] = active + 1
        self._status(kinds.JOB, namespace, name, status)

    def _status(self, kind: Kind, namespace: str | None, name: str, status: dict[str, Any]) -> Object:
        def change(obj: Object) -> None:
            merged(obj.setdefault("status", {}), status)

        return self.store.update(kind, namespace, name, change)


def _condition(kind: str, reason: str, message: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now()}


def _names(pod: Object) -> list[str]:
    return [each["name"] for each in pod["spec"].get("containers") or []]


def _init_names(pod: Object) -> list[str]:
    return [each["name"] for each in pod["spec"].get("initContainers") or []]


def _waiting(name: str, reason: str, message: str = "") -> dict[str, Any]:
    waiting = {"reason": reason, **({"message": message} if message else {})}
    return {"name": name, "ready": False, "restartCount": 0, "state": {"waiting": waiting}}


def _running(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now()}},
    }


def _ended(name: str, code: int, reason: str = "") -> dict[str, Any]:
    ended = {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "startedAt": now(),
        "finishedAt": now(),
    }
    return {"name": name, "ready": False, "restartCount": 0, "state": {"terminated": ended}}
