"""Check what is wanted against a cluster before anything is touched; every problem is found, each at its field."""

from collections.abc import Iterable

from compute.extension import crds, release, taken
from compute.extension.wanted import Wanted, Wrong
from compute.kube import kinds
from compute.kube.capacity import tolerates
from compute.kube.client import KubeClient
from compute.kube.errors import Forbidden
from compute.models import Cluster, Node, StudioIdentity
from compute.network.applying import read_secret
from compute.permissions import EXTENSION_NEEDS, ROUTER_NEEDS, questions
from compute.router import NAMESPACE
from studio.core.errors import ProblemError, ProblemList

HA_NODES = 3


def told(wrongs: Iterable[Wrong]) -> list[ProblemError]:
    """Return what is wrong with settings as problems at their fields."""
    return [ProblemError("extension-setting-invalid", field=each.field, text=each.text) for each in wrongs]


def check(cluster: Cluster, client: KubeClient, wanted: Wanted, *, take_over: bool = False) -> list[ProblemError]:
    """Return everything in the cluster that stands against the settings; raises KubeError when it does not answer.

    With `take_over` another studio's release does not.
    """
    problems = [*_rights(client, wanted), *_nodes(list(cluster.nodes.all()), wanted)]
    if wanted.has_tls:
        problems += _certificate(cluster, client, wanted)
    problems += _owners(client, wanted, take_over=take_over)
    if wanted.enable_inference:
        conflicts = crds.conflicts(crds.present(client, []))
        if conflicts:
            problems.append(ProblemError("extension-crd-conflict", field="enableInference", text="; ".join(conflicts) + "."))
    return problems


def fitting(nodes: Iterable[Node], wanted: Wanted) -> list[Node]:
    """Return the nodes on which pods of the extension may run."""
    return [
        node
        for node in nodes
        if node.ready
        and node.schedulable
        and wanted.node_selector.items() <= node.labels.items()
        and all(
            tolerates(wanted.tolerations, taint)
            for taint in node.taints
            if taint.get("effect") in ("NoSchedule", "NoExecute")
        )
    ]  # fmt: skip


def owned_elsewhere(owner: str) -> ProblemError:
    """Return what to say of a release that another studio installed."""
    text = f"The release {release.RELEASE} in {NAMESPACE} was installed by {owner or 'somebody with Helm'}."
    return ProblemError("extension-owned-elsewhere", text=text)


def _nodes(nodes: list[Node], wanted: Wanted) -> list[ProblemError]:
    if not wanted.enable_inference:
        return []
    count = len(fitting(nodes, wanted))
    whole = f"{count} of {len(nodes)} nodes {'is' if count == 1 else 'are'} ready and fit" + (
        " nodeSelector and workLoadToleration." if wanted.node_selector or wanted.tolerations else "."
    )
    if count == 0:
        field = next((f"nodeSelector.{key}" for key in wanted.node_selector), "enableInference")
        return [ProblemError("extension-few-nodes", field=field, text=whole)]
    if wanted.highly_available and count < HA_NODES:
        text = f"A router with high availability runs on {HA_NODES} nodes. {whole}"
        return [ProblemError("extension-few-nodes", field="inferenceRouterHA", text=text)]
    return []


def _certificate(cluster: Cluster, client: KubeClient, wanted: Wanted) -> list[ProblemError]:
    if not wanted.ssl_secret:
        if getattr(cluster, "certificate", None) is None:
            text = f"The router is to answer as {wanted.ssl_cname} over TLS, and has no certificate for it."
            return [ProblemError("extension-certificate-missing", field="sslSecret", text=text)]
        return []
    try:
        found = client.find(kinds.SECRET, wanted.ssl_secret, NAMESPACE)
    except Forbidden:
        return []
    if found is None:
        text = f"There is no Secret {wanted.ssl_secret} in {NAMESPACE}."
        return [ProblemError("extension-secret-unusable", field="sslSecret", text=text)]
    if found.get("type") != "kubernetes.io/tls":
        text = f"{wanted.ssl_secret} is of the type {found.get('type')}; it takes kubernetes.io/tls with tls.crt and tls.key."
        return [ProblemError("extension-secret-unusable", field="sslSecret", text=text)]
    try:
        read_secret(client, wanted.ssl_secret, host=wanted.ssl_cname, place="sslSecret")
    except (ProblemError, ProblemList) as refusal:
        return refusal.errors if isinstance(refusal, ProblemList) else [refusal]
    return []


def _owners(client: KubeClient, wanted: Wanted, *, take_over: bool) -> list[ProblemError]:
    """Return who else has the release, or one of the router's own names."""
    try:
        owner = release.owner(client)
    except Forbidden:
        return []
    if owner is not None and owner != StudioIdentity.get() and not take_over:
        return [owned_elsewhere(owner)]
    if not wanted.enable_inference:
        return []
    names = taken.taken_by_others(client)
    return [ProblemError("extension-name-in-use", field="enableInference", text=taken.sentence(names))] if names else []


def _rights(client: KubeClient, wanted: Wanted) -> list[ProblemError]:
    needs = [*questions(EXTENSION_NEEDS, NAMESPACE)]
    if wanted.enable_inference:
        needs += questions(ROUTER_NEEDS)
    missing = [str(answer.rule) for answer in client.can_i(needs) if not answer.allowed]
    if not missing:
        return []
    more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
    return [ProblemError("extension-permissions-missing", missing=", ".join(missing[:8]) + more)]
