"""What nodes, versions and groups of an API tell of a cluster."""

from typing import Any

import pytest

from compute.observe import distribution_of


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
