"""The kinds of objects the studio reads and writes, and their addresses in the API."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Kind:
    """Name one kind of object: its group, version, plural and whether it lives in a namespace."""

    group: str
    version: str
    plural: str
    name: str = ""
    namespaced: bool = False

    @property
    def api_version(self) -> str:
        """Return what a manifest writes as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Return the path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, name: str | None = None, namespace: str | None = None, subresource: str | None = None) -> str:
        """Return the path of an object, or of the collection when there is no name."""
        if namespace is not None and not self.namespaced:
            raise ValueError(f"{self.plural} do not live in a namespace")
        if name is not None and self.namespaced and namespace is None:
            raise ValueError(f"{self.plural} need a namespace")
        parts = [self.root]
        if namespace is not None:
            parts += ["namespaces", segment(namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(segment(name))
        if subresource:
            parts.append(segment(subresource))
        return "/".join(parts)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def segment(text: str) -> str:
    """Return a name as one segment of a path; refuse what would leave its place."""
    if text in {"", ".", ".."} or "/" in text or "%" in text:
        raise ValueError(f"not a name that can stand in a path: {text!r}")
    return quote(text, safe="")


NAMESPACE = Kind("", "v1", "namespaces", "Namespace")
NODE = Kind("", "v1", "nodes", "Node")
POD = Kind("", "v1", "pods", "Pod", namespaced=True)
EVENT = Kind("", "v1", "events", "Event", namespaced=True)
SERVICE = Kind("", "v1", "services", "Service", namespaced=True)
SECRET = Kind("", "v1", "secrets", "Secret", namespaced=True)
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", namespaced=True)
SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
RESOURCE_QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)
LIMIT_RANGE = Kind("", "v1", "limitranges", "LimitRange", namespaced=True)
VOLUME_CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)
VOLUME = Kind("", "v1", "persistentvolumes", "PersistentVolume")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass")
JOB = Kind("batch", "v1", "jobs", "Job", namespaced=True)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", namespaced=True)
REPLICA_SET = Kind("apps", "v1", "replicasets", "ReplicaSet", namespaced=True)
STATEFUL_SET = Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True)
DAEMON_SET = Kind("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", namespaced=True)
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True)
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "roles", "Role", namespaced=True)
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", namespaced=True)
CLUSTER_ROLE = Kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole")
CLUSTER_ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding")
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
ACCESS_REVIEW = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
RULES_REVIEW = Kind("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview")
SELF_REVIEW = Kind("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview")
INSTANCE_TYPE = Kind("mooring.dev", "v1alpha1", "instancetypes", "InstanceType")
AZUREML_INSTANCE_TYPE = Kind("amlarc.azureml.com", "v1alpha1", "instancetypes", "InstanceType")
GATEWAY_CLASS = Kind("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass")
GATEWAY = Kind("gateway.networking.k8s.io", "v1", "gateways", "Gateway", namespaced=True)
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", namespaced=True)
ENVOY_PROXY = Kind("gateway.envoyproxy.io", "v1alpha1", "envoyproxies", "EnvoyProxy", namespaced=True)
SECURITY_POLICY = Kind("gateway.envoyproxy.io", "v1alpha1", "securitypolicies", "SecurityPolicy", namespaced=True)
CLIENT_TRAFFIC_POLICY = Kind("gateway.envoyproxy.io", "v1alpha1", "clienttrafficpolicies", "ClientTrafficPolicy", namespaced=True)
TRAFFIC_POLICY = Kind("gateway.envoyproxy.io", "v1alpha1", "backendtrafficpolicies", "BackendTrafficPolicy", namespaced=True)
ROUTE_FILTER = Kind("gateway.envoyproxy.io", "v1alpha1", "httproutefilters", "HTTPRouteFilter", namespaced=True)

BUILT_IN: tuple[Kind, ...] = (
    NAMESPACE,
    NODE,
    POD,
    EVENT,
    SERVICE,
    SECRET,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    VOLUME_CLAIM,
    VOLUME,
    STORAGE_CLASS,
    JOB,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    DAEMON_SET,
    NETWORK_POLICY,
    LEASE,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CRD,
    ACCESS_REVIEW,
    RULES_REVIEW,
    SELF_REVIEW,
)
