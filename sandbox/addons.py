"""What a full node needs inside the cluster: DNS, metrics, volumes. Manifests as pure functions returning dicts."""

from __future__ import annotations

import json
from typing import Any

Manifest = dict[str, Any]

DNS = {"app.kubernetes.io/name": "coredns", "k8s-app": "kube-dns"}
METRICS = {"app.kubernetes.io/name": "metrics-server"}
VOLUMES = {"app.kubernetes.io/name": "local-path-provisioner"}
STORAGE_CLASS = "local-path"
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def coredns(image: str, address: str, resolvers: list[str]) -> list[Manifest]:
    """Return CoreDNS behind the cluster's DNS address; names outside go to ``resolvers``."""
    outside = f"    forward . {' '.join(resolvers)}\n" if resolvers else ""
    corefile = (
        ".:1053 {\n    errors\n    health :8080\n    ready :8181\n"
        "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n      pods insecure\n"
        "      fallthrough in-addr.arpa ip6.arpa\n    }\n    prometheus :9153\n"
        f"{outside}    cache 30\n    reload\n}}\n"
    )
    container = {
        "name": "coredns",
        "image": image,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": 1053, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 1053, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 30},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces", "nodes"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    pod = {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    ports = [
        {"name": "dns", "port": 53, "targetPort": 1053, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "targetPort": 1053, "protocol": "TCP"},
    ]
    return [
        *_identity("coredns", "kube-system", rules),
        _config_map("coredns", "kube-system", {"Corefile": corefile}),
        _deployment("coredns", "kube-system", DNS, pod),
        _service("kube-dns", "kube-system", DNS, ports, clusterIP=address),
    ]


def metrics_server(image: str) -> list[Manifest]:
    """Return metrics-server; it trusts the kubelet's certificate by the cluster's own authority."""
    container = {
        "name": "metrics-server",
        "image": image,
        "args": [
            "--cert-dir=/tmp",
            "--secure-port=10250",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-use-node-status-port",
            "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
            # The shortest that it takes, with a request that ends before the next begins: ready sooner.
            "--metric-resolution=10s",
            "--kubelet-request-timeout=8s",
        ],
        "ports": [{"name": "https", "containerPort": 10250}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "https", "scheme": "HTTPS"},
            "periodSeconds": 3,
            "failureThreshold": 10,
        },
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    rules = [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]
    pod = {
        "serviceAccountName": "metrics-server",
        "priorityClassName": "system-cluster-critical",
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    subject = {"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}
    return [
        *_identity("metrics-server", "kube-system", rules),
        _binding("ClusterRoleBinding", "metrics-server:delegator", "ClusterRole", "system:auth-delegator", subject),
        _binding(
            "RoleBinding",
            "metrics-server-auth-reader",
            "Role",
            "extension-apiserver-authentication-reader",
            subject,
            namespace="kube-system",
        ),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": "system:aggregated-metrics-reader",
                "labels": {f"rbac.authorization.k8s.io/aggregate-to-{to}": "true" for to in ("view", "edit", "admin")},
            },
            "rules": [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}],
        },
        _deployment("metrics-server", "kube-system", METRICS, pod),
        _service("metrics-server", "kube-system", METRICS, [{"name": "https", "port": 443, "targetPort": "https"}]),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "service": {"name": "metrics-server", "namespace": "kube-system"},
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                # Its serving certificate is made at each start and signed by nobody.
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def local_path(image: str, busybox: str, folder: str) -> list[Manifest]:
    """Return local-path-provisioner with its StorageClass as the default one."""
    namespace = "local-path-storage"
    paths = {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [folder]}]}
    helper = (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: helper-pod\nspec:\n"
        "  tolerations:\n  - {key: node.kubernetes.io/disk-pressure, operator: Exists, effect: NoSchedule}\n"
        f"  containers:\n  - name: helper-pod\n    image: {busybox}\n    imagePullPolicy: IfNotPresent\n"
    )
    files = {
        "config.json": json.dumps(paths),
        "setup": '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
        "teardown": '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
        "helperPod.yaml": helper,
    }
    container = {
        "name": "local-path-provisioner",
        "image": image,
        "command": ["/local-path-provisioner", "start", "--config", "/etc/config/config.json"],
        "args": ["--service-account-name", "local-path-provisioner", "--helper-image", busybox],
        "env": [
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "CONFIG_MOUNT_PATH", "value": "/etc/config/"},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
    }
    rules = [
        {"apiGroups": [""], "resources": ["nodes", "persistentvolumeclaims", "configmaps", "pods", "pods/log"],
         "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["persistentvolumes"],
         "verbs": ["get", "list", "watch", "create", "patch", "update", "delete"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["get", "list", "watch"]},
    ]  # fmt: skip
    pods = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]}]
    leases = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
              {"apiGroups": [""], "resources": ["endpoints"], "verbs": ["*"]}]  # fmt: skip
    pod = {
        "serviceAccountName": "local-path-provisioner",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "local-path-config"}}],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        *_identity("local-path-provisioner", namespace, rules, own=pods + leases),
        _config_map("local-path-config", namespace, files),
        _deployment("local-path-provisioner", namespace, VOLUMES, pod),
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
        },
    ]


def _identity(name: str, namespace: str, rules: list[Manifest], *, own: list[Manifest] | None = None) -> list[Manifest]:
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = f"mooring-sandbox:{name}"
    found: list[Manifest] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": role},
            "rules": rules,
        },
        _binding("ClusterRoleBinding", role, "ClusterRole", role, subject),
    ]
    if own:
        found.append(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": name, "namespace": namespace},
                "rules": own,
            }
        )
        found.append(_binding("RoleBinding", name, "Role", name, subject, namespace=namespace))
    return found


def _binding(kind: str, name: str, role_kind: str, role: str, subject: Manifest, *, namespace: str | None = None) -> Manifest:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [subject],
    }


def _config_map(name: str, namespace: str, files: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": files,
    }


def _deployment(name: str, namespace: str, labels: dict[str, str], pod: Manifest) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(name: str, namespace: str, labels: dict[str, str], ports: list[Manifest], **more: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"selector": labels, "ports": ports, **more},
    }
