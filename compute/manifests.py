"""What the studio puts into a cluster by itself, as pure functions that return objects: the custom resource, namespaces,
probe pods; and, as text for a cluster administrator, the least-privilege identity.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from compute.kube import names
from compute.permissions import (
    ADDRESS_NEEDS,
    CLUSTER_NEEDS,
    CRD_NAME,
    ENDPOINT_NEEDS,
    EXTENSION_NEEDS,
    JOB_NEEDS,
    ROUTER_NEEDS,
    Need,
)

Object = dict[str, Any]

SYSTEM_NAMESPACE = "mooring-system"
ACCOUNT = "mooring"
STUDIO = "mooring.dev/studio"
CRD_VERSION = "mooring.dev/crd-version"
# Raised with every change of the schema; a cluster with a newer one keeps it.
NEWEST_CRD = 1
ENFORCE = "pod-security.kubernetes.io/enforce"
PROBE_PORT = 8484
RUN_AS = 1000


def instance_type_crd(studio: str = "") -> Object:
    """Return the CustomResourceDefinition of InstanceType; `studio` notes who installed it."""
    amounts = {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True, "nullable": True}}
    toleration = {
        "type": "object",
        "properties": {
            "key": {"type": "string"},
            "operator": {"type": "string", "enum": ["Equal", "Exists"]},
            "value": {"type": "string"},
            "effect": {"type": "string", "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
            "tolerationSeconds": {"type": "integer", "format": "int64"},
        },
    }
    spec = {
        "type": "object",
        "required": ["resources"],
        "properties": {
            "description": {"type": "string", "maxLength": 300},
            "nodeSelector": {"type": "object", "additionalProperties": {"type": "string"}},
            "tolerations": {"type": "array", "items": toleration},
            "resources": {
                "type": "object",
                "required": ["requests", "limits"],
                "properties": {"requests": amounts, "limits": amounts},
            },
        },
    }
    columns = [
        {"name": "CPU", "type": "string", "jsonPath": ".spec.resources.limits.cpu"},
        {"name": "Memory", "type": "string", "jsonPath": ".spec.resources.limits.memory"},
        {"name": "GPU", "type": "string", "jsonPath": r".spec.resources.limits.nvidia\.com/gpu"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": CRD_NAME,
            "labels": {names.MANAGED_BY: names.MANAGER},
            "annotations": {CRD_VERSION: str(NEWEST_CRD), **({STUDIO: studio} if studio else {})},
        },
        "spec": {
            "group": "mooring.dev",
            "scope": "Cluster",
            "names": {
                "kind": "InstanceType",
                "listKind": "InstanceTypeList",
                "plural": "instancetypes",
                "singular": "instancetype",
            },
            "versions": [
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": spec}}},
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }


def instance_type(name: str, spec: Object, *, studio: str, default: bool = False) -> Object:
    """Return an InstanceType object; exactly one of a cluster carries the mark of the default."""
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "InstanceType",
        "metadata": {
            "name": name,
            "labels": {names.MANAGED_BY: names.MANAGER, STUDIO: studio},
            "annotations": {"mooring.dev/default": "true" if default else "false"},
        },
        "spec": spec,
    }


def namespace(name: str, *, studio: str, workspace: str = "", compute: int | None = None, run_as_root: bool = False) -> Object:
    """Return a namespace that enforces the *restricted* Pod Security level, or *baseline* when root is allowed."""
    labels = {
        names.MANAGED_BY: names.MANAGER,
        STUDIO: studio,
        ENFORCE: "baseline" if run_as_root else "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    if workspace:
        labels[names.WORKSPACE] = names.label_value(workspace)
    if compute is not None:
        labels[names.COMPUTE] = str(compute)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def namespace_marks(*, studio: str, workspace: str, compute: int) -> Object:
    """Return the labels that the studio puts on a namespace which others made, and takes off again."""
    return {STUDIO: studio, names.WORKSPACE: names.label_value(workspace), names.COMPUTE: str(compute)}


def probe_name(what: str, identity: int, studio: str) -> str:
    """Return the name of a probe pod: of this studio alone, as several may look at one cluster at once."""
    return f"mooring-probe-{what}-{studio}-{identity}"


def serving_probe(name: str, place: str, image: str, token: str, *, fixed_user: bool = True) -> Object:
    """Return the pod that serves as a job's sidecar would, to try out how its bytes can be fetched."""
    environment = [{"name": "MOORING_TOKEN", "value": token}]
    args = ["probe", "--serve", "--seconds", "180", "--port", str(PROBE_PORT)]
    return _probe(name, place, image, args, environment, fixed_user=fixed_user)


def asking_probe(name: str, place: str, image: str, url: str, ca: str = "", *, fixed_user: bool = True) -> Object:
    """Return the pod that asks for the studio's address and says whether it answered."""
    args = ["probe", "--url", url]
    pod = _probe(name, place, image, args, [], fixed_user=fixed_user)
    if ca:
        container = pod["spec"]["containers"][0]
        container["args"] = [*args, "--ca", "/etc/mooring/ca.pem"]
        container["volumeMounts"] = [{"name": "ca", "mountPath": "/etc/mooring", "readOnly": True}]
        pod["spec"]["volumes"] = [{"name": "ca", "downwardAPI": {"items": [_annotation("ca.pem", "mooring.dev/ca")]}}]
        pod["metadata"]["annotations"] = {"mooring.dev/ca": ca}
    return pod


def egress_probe(name: str, place: str, image: str, urls: Sequence[str], environment: list[Object], *, fixed_user: bool = True) -> Object:
    """Return the pod that asks for addresses of the world as a job's command would, and says how each answered."""
    args = ["probe", "--timeout", "8", *(part for url in urls for part in ("--address", url))]
    return _probe(name, place, image, args, environment, fixed_user=fixed_user)


def _annotation(path: str, key: str) -> Object:
    return {"path": path, "fieldRef": {"fieldPath": f"metadata.annotations['{key}']"}}


def _probe(name: str, place: str, image: str, args: list[str], environment: list[Object], *, fixed_user: bool) -> Object:
    security: Object = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if fixed_user:
        security |= {"runAsUser": RUN_AS, "runAsGroup": RUN_AS, "fsGroup": RUN_AS}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": place,
            "labels": names.standard_labels("probe", name),
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            # Should the studio die on the way, the pod ends by itself.
            "activeDeadlineSeconds": 300,
            "securityContext": security,
            "containers": [
                {
                    "name": "probe",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "args": args,
                    "env": environment,
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "500m", "memory": "128Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                }
            ],
        },
    }


def least_privilege(namespaces: Sequence[str], *, extension: bool = False) -> str:
    """Return the YAML that a cluster administrator applies: an identity that can do what the studio needs and no more.

    Each of `namespaces` is made (or labelled) so that it can be attached as a compute. The identity can make no
    namespaces, grant no rights, and read no Secret that it does not know by name; with `extension` it may do what
    installing the router takes, which includes granting Envoy Gateway its rights.
    """
    head = (
        "# The identity with which the Mooring studio uses this cluster. Apply it as a cluster administrator:\n"
        "#   kubectl apply -f mooring.yaml\n"
        "# To take it back: kubectl delete -f mooring.yaml (this also removes the namespaces named in it)\n"
    )
    parts = [
        _commented("Where the identity lives, and where probe pods run.", _own_namespace(SYSTEM_NAMESPACE)),
        _commented("The identity.", _account()),
        _commented(
            "Its token. Withdraw it at any time by deleting this Secret; a new one is made by applying this file again.",
            _token(),
        ),
        _commented("The studio's own custom resource, so that the identity need not install any.", instance_type_crd()),
        _role("ClusterRole", "mooring", None, [*CLUSTER_NEEDS, *ADDRESS_NEEDS]),
        _binding("ClusterRoleBinding", "mooring", None, "ClusterRole", "mooring"),
        # One ClusterRole, bound in each namespace: it gives nothing anywhere else.
        _role("ClusterRole", "mooring-compute", None, [*JOB_NEEDS, *ENDPOINT_NEEDS]),
        _binding("RoleBinding", "mooring-compute", SYSTEM_NAMESPACE, "ClusterRole", "mooring-compute"),
    ]
    if extension:
        parts += [
            _role("Role", "mooring-extend", SYSTEM_NAMESPACE, EXTENSION_NEEDS),
            _binding("RoleBinding", "mooring-extend", SYSTEM_NAMESPACE, "Role", "mooring-extend"),
            _role("ClusterRole", "mooring-extend", None, ROUTER_NEEDS),
            _binding("ClusterRoleBinding", "mooring-extend", None, "ClusterRole", "mooring-extend"),
        ]
    for name in dict.fromkeys(namespaces):
        parts.append(_commented("A namespace for a compute; jobs in it run at the level restricted.", _own_namespace(name)))
        parts.append(_binding("RoleBinding", "mooring-compute", name, "ClusterRole", "mooring-compute"))
    return head + "---\n".join(parts)


def kubeconfig_command() -> str:
    """Return the shell line that prints a kubeconfig for the identity, from the manifest's token."""
    where = f"-n {SYSTEM_NAMESPACE} get secret {ACCOUNT}-token"
    return (
        "S=$(kubectl config view --minify --raw -o jsonpath='{.clusters[0].cluster.server}'); "
        f"C=$(kubectl {where} -o jsonpath='{{.data.ca\\.crt}}'); "
        f"T=$(kubectl {where} -o jsonpath='{{.data.token}}' | base64 -d); "
        "printf 'apiVersion: v1\\nkind: Config\\ncurrent-context: mooring\\n"
        'clusters: [{name: mooring, cluster: {server: "%s", certificate-authority-data: "%s"}}]\\n'
        'users: [{name: mooring, user: {token: "%s"}}]\\n'
        'contexts: [{name: mooring, context: {cluster: mooring, user: mooring}}]\\n\' "$S" "$C" "$T"'
    )


def rules(needs: Iterable[Need]) -> str:
    """Return rules of a role as lines of YAML, each after what it is for."""
    lines = []
    for need in needs:
        rule: Object = {"apiGroups": [need.kind.group], "resources": [need.resource], "verbs": list(need.verbs)}
        if need.names:
            rule["resourceNames"] = list(need.names)
        first, *rest = yaml.safe_dump(rule, sort_keys=False, default_flow_style=None, width=200).splitlines()
        lines += [f"# {need.why}", f"- {first}", *(f"  {line}" for line in rest)]
    return "\n".join(lines) + "\n"


def _own_namespace(name: str) -> Object:
    labels = {ENFORCE: "restricted", "pod-security.kubernetes.io/enforce-version": "latest"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _account() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": SYSTEM_NAMESPACE},
        "automountServiceAccountToken": False,
    }


def _token() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"{ACCOUNT}-token",
            "namespace": SYSTEM_NAMESPACE,
            "annotations": {"kubernetes.io/service-account.name": ACCOUNT},
        },
        "type": "kubernetes.io/service-account-token",
    }


def _role(kind: str, name: str, place: str | None, needs: Iterable[Need]) -> str:
    metadata = {"name": name} | ({"namespace": place} if place else {})
    head = _yaml({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata})
    return f"{head}rules:\n{rules(needs)}"


def _binding(kind: str, name: str, place: str | None, role_kind: str, role: str) -> str:
    return _yaml(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name} | ({"namespace": place} if place else {}),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM_NAMESPACE}],
        }
    )


def _commented(text: str, manifest: Object) -> str:
    return f"# {text}\n{_yaml(manifest)}"


def _yaml(manifest: Object) -> str:
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=200)
