"""What nodes, versions and groups of an API tell of a cluster."""

from typing import Any

import pytest

from compute.observe import as_counted, distribution_of, observe_nodes


def node(*, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, provider: str = "") -> dict[str, Any]:
    return {"metadata": {"name": "n", "labels": labels or {}, "annotations": annotations or {}}, "spec": {"providerID": provider}}


KUBEADM = {"kubeadm.alpha.kubernetes.io/cri-socket": "unix:///run/containerd/containerd.sock"}


@pytest.mark.parametrize(
    ("version", "nodes", "groups", "expected"),
    [
        ("v1.33.4+k3s1", [node()], [], "k3s"),
        ("v1.33.4+rke2r1", [node()], [], "RKE2"),
        ("v1.32.9-eks-3abcdef", [node()], [], "EKS"),
        ("v1.33.5", [node(labels={"eks.amazonaws.com/nodegroup": "a"})], [], "EKS"),
        ("v1.33.5-gke.1125000", [node()], [], "GKE"),
        ("v1.33.5", [node(labels={"cloud.google.com/gke-nodepool": "a"})], [], "GKE"),
        ("v1.33.5", [node(labels={"kubernetes.azure.com/cluster": "MC_a"})], [], "AKS"),
        ("v1.33.5", [node()], ["apps", "config.openshift.io"], "OpenShift"),
        ("v1.33.5", [node(labels={"microk8s.io/cluster": "true"})], [], "MicroK8s"),
        ("v1.33.5", [node(labels={"minikube.k8s.io/name": "minikube"}, annotations=KUBEADM)], [], "minikube"),
        ("v1.33.5", [node(provider="kind://docker/kind/kind-control-plane", annotations=KUBEADM)], [], "kind"),
        ("v1.33.5", [node(annotations={"kwok.x-k8s.io/node": "fake"})], [], "kwok"),
        ("v1.33.5", [node(annotations={"kwok.x-k8s.io/node": "fake"}), node()], [], "Kubernetes"),
        ("v1.33.5", [node(annotations=KUBEADM)], [], "kubeadm"),
        ("v1.33.5", [], [], "Kubernetes"),
    ],
)
def test_a_distribution_is_told_by_its_own_marks(version: str, nodes: list[dict[str, Any]], groups: list[str], expected: str) -> None:
    assert distribution_of(version, nodes, groups) == expected


def a_pod_of_everything() -> dict[str, Any]:
    def container(name: str, cpu: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "image": "x", "env": [{"name": "A", "value": "b"}], "resources": {"requests": {"cpu": cpu}}, **more}

    status = {"name": "main", "ready": True, "resources": {"requests": {"cpu": "3"}}, "allocatedResources": {"cpu": "2"}}
    return {
        "metadata": {"name": "p", "namespace": "theirs", "uid": "1", "annotations": {"a": "b"}, "labels": {"app": "p"}},
        "spec": {
            "nodeName": "n",
            "containers": [container("main", "1"), container("second", "500m", command=["x"])],
            "initContainers": [container("first", "2"), container("side", "250m", restartPolicy="Always")],
            "overhead": {"memory": "64Mi"},
            "resources": {"limits": {"memory": "1Gi"}},
            "volumes": [{"name": "v"}],
        },
        "status": {"phase": "Running", "containerStatuses": [status, {"name": "second", "ready": True}], "podIP": "10.0.0.1"},
    }


def test_what_is_held_of_a_pod_counts_as_the_pod_does() -> None:
    pod, plain = a_pod_of_everything(), {"metadata": {"name": "q", "namespace": "theirs", "uid": "2"}}
    of_nodes = [node() | {"status": {"allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"}}}]
    held = [as_counted(pod), as_counted(plain)]
    assert observe_nodes(of_nodes, held) == observe_nodes(of_nodes, [pod, plain])
    (seen,) = observe_nodes(of_nodes, held)
    assert (seen.pods, seen.requested["cpu"], seen.runs[0]["owner"]) == (1, 3.75, "theirs")
    text = str(held)
    assert not [word for word in ("volumes", "env", "podIP", "annotations", "ready", "command") if word in text]
    ended = pod | {"status": {"phase": "Succeeded"}}
    assert observe_nodes(of_nodes, [as_counted(ended)])[0].pods == 0
