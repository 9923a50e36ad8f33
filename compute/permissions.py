"""What the studio's identity needs in a cluster, each with its reason: asked for, checked and written down from here."""

from collections.abc import Iterable
from dataclasses import dataclass

from compute.kube import kinds
from compute.kube.client import Rule
from compute.kube.kinds import Kind

CRD_NAME = "instancetypes.mooring.dev"


@dataclass(frozen=True)
class Need:
    """Verbs on one kind of object, and what they are for; `names` limits them to objects of these names."""

    kind: Kind
    verbs: tuple[str, ...]
    why: str
    subresource: str = ""
    names: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural

    def rules(self, namespace: str | None = None) -> list[Rule]:
        """Return the questions to ask the API server."""
        name = self.names[0] if self.names else None
        return [Rule(verb, self.kind, namespace, name, self.subresource or None) for verb in self.verbs]


READ = ("get", "list", "watch")

# In every namespace that is a compute.
JOB_NEEDS = (
    Need(kinds.JOB, (*READ, "create", "delete"), "Jobs are made once, followed, and removed."),
    Need(kinds.POD, (*READ, "create", "delete"),
         "Pods are followed; probe pods are made; canceling deletes a job's pods at once."),
    Need(kinds.SECRET, ("get", "create", "patch", "delete"),
         "Each job has one Secret with its own token; it goes with the job. None is listed, and no other read but "
         "the router's certificate, and one that a person names for it."),
    Need(kinds.POD, ("get",), "What a pod printed, when its sidecar cannot be asked.", "log"),
    Need(kinds.POD, ("get", "create", "update"), "Logs and outputs are fetched from the job's sidecar.", "proxy"),
    Need(kinds.POD, ("get", "create"), "The same, where the API server cannot reach pods itself.", "portforward"),
    Need(kinds.EVENT, READ, "Why a pod waits or failed."),
    Need(kinds.SERVICE, ("get", "create", "patch", "delete"), "Processes of one distributed job find each other by name."),
    Need(kinds.RESOURCE_QUOTA, READ, "What the namespace may use, so that a wait can be explained."),
)  # fmt: skip

# In every namespace that is a compute, for endpoints.
ENDPOINT_NEEDS = (
    Need(kinds.DEPLOYMENT, ("get", "create", "patch", "delete"), "Each deployment of an endpoint is one Deployment."),
    Need(kinds.SECURITY_POLICY, ("get", "create", "patch", "delete"), "Who may call an endpoint: whoever brings one of its keys."),
    Need(kinds.HTTP_ROUTE, ("get", "create", "patch", "delete"), "How requests of an endpoint are shared among its deployments."),
    Need(kinds.TRAFFIC_POLICY, ("get", "list", "create", "patch", "delete"), "Time limits and retries of an endpoint."),
    Need(kinds.ROUTE_FILTER, ("get", "list", "create", "patch", "delete"), "What the router answers where no deployment does."),
)

# For the whole cluster.
CLUSTER_NEEDS = (
    Need(kinds.NODE, READ, "Nodes: their capacity, labels, taints and whether they are ready."),
    Need(kinds.NAMESPACE, READ, "Whether a namespace is there, and its Pod Security level."),
    Need(kinds.POD, READ, "What runs on each node, so that what is free can be shown and said to those who wait."),
    Need(kinds.CRD, ("get", "patch"), "Its own custom resource is upgraded with the studio.", "", (CRD_NAME,)),
    Need(kinds.INSTANCE_TYPE, (*READ, "create", "patch", "delete"), "Instance types are kept in the cluster and edited here."),
    Need(kinds.AZUREML_INSTANCE_TYPE, READ, "Instance types of the original are read, and never changed."),
)  # fmt: skip
# For the whole cluster, where there are endpoints; without it an address that another studio took is not recognised.
ADDRESS_NEEDS = (Need(kinds.HTTP_ROUTE, ("list",), "Whether another endpoint of this name has the router's address already."),)

# What a studio that makes namespaces by itself may do beyond that; an identity without it names its namespaces beforehand.
NAMESPACE_NEEDS = (Need(kinds.NAMESPACE, ("create", "patch", "delete"), "Namespaces of computes are made, labelled and removed."),)

# In the namespace of the extension, to install, change and remove it.
WRITE = (*READ, "create", "patch", "update", "delete")
EXTENSION_NEEDS = (
    Need(kinds.SECRET, WRITE, "Helm keeps each revision of its release in a Secret; the router's certificate is one, too."),
    Need(kinds.CONFIG_MAP, WRITE, "The settings of the extension and of Envoy Gateway."),
    Need(kinds.SERVICE_ACCOUNT, WRITE, "Envoy Gateway's own identity."),
    Need(kinds.SERVICE, WRITE, "The Services of Envoy Gateway and of the router."),
    Need(kinds.DEPLOYMENT, WRITE, "The Deployments of Envoy Gateway and of the router."),
    Need(kinds.JOB, WRITE, "Envoy Gateway makes its own certificates in a Job."),
    Need(kinds.LEASE, ("get", "list", "delete"), "Envoy Gateway's lock, which nobody else removes."),
    Need(kinds.DISRUPTION_BUDGET, WRITE, "Of three Envoys two stay while nodes are drained."),
    Need(kinds.ROLE, (*WRITE, "escalate", "bind"), "What Envoy Gateway may do in its namespace."),
    Need(kinds.ROLE_BINDING, WRITE, "The same, bound to its identity."),
    Need(kinds.GATEWAY, WRITE, "The Gateway that endpoints hang their routes on."),
    Need(kinds.ENVOY_PROXY, WRITE, "How Envoy runs: service type, replicas, places."),
    Need(kinds.SECURITY_POLICY, WRITE, "The rule that refuses every route without a policy of its own."),
    Need(kinds.CLIENT_TRAFFIC_POLICY, WRITE, "The versions of TLS."),
    Need(kinds.TRAFFIC_POLICY, WRITE, "How a dead replica is left out."),
)
# For the whole cluster, when the router is installed.
ROUTER_NEEDS = (
    Need(kinds.CRD, ("get", "create", "patch"), "The definitions of the Gateway API and of Envoy Gateway, unless they are there."),
    Need(kinds.CLUSTER_ROLE, (*WRITE, "escalate", "bind"), "What Envoy Gateway reads in all namespaces: routes and what they name."),
    Need(kinds.CLUSTER_ROLE_BINDING, WRITE, "The same, bound to its identity."),
    Need(kinds.GATEWAY_CLASS, WRITE, "The class of our Gateway."),
)

# Missing these, a cluster cannot be used at all.
REQUIRED = (CLUSTER_NEEDS[0],)


def questions(needs: Iterable[Need], namespace: str | None = None) -> list[Rule]:
    """Return all questions for `needs` in one namespace, or for the cluster."""
    return [rule for need in needs for rule in need.rules(namespace)]
