"""Try a cluster out: what it is, what we may do there, how bytes travel between its pods and the studio.

Each step notes what it found; what stands in the way becomes a finding with a problem's id, and the cluster is then
degraded rather than ready. Only an API server that does not answer makes it unreachable.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from compute import instance_types, manifests
from compute.connections import kube_client
from compute.findings import with_sources
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Conflict, Forbidden, KubeError, NotFound, Unauthorized
from compute.models import Cluster, ClusterStatus, LogRoute, StudioIdentity
from compute.observe import distribution_of, is_simulated, is_terminating, observe_nodes, observe_type
from compute.permissions import CLUSTER_NEEDS, CRD_NAME, Need, questions
from compute.preflight import uid_of
from compute.problems import told
from compute.records import keep_instance_types, keep_nodes, node_facts
from compute.routes import asked_by_a_pod, route_to
from studio.core.errors import ProblemError
from studio.core.states import move, touch

log = structlog.get_logger(__name__)

PROBED = (ClusterStatus.CONNECTING, ClusterStatus.READY, ClusterStatus.DEGRADED, ClusterStatus.UNREACHABLE)
# Image pulls on a fresh node count in; the pod ends by itself at 300 s.
POD_SECONDS = 120.0
STEP_SECONDS = 0.3
TERMINATING_SECONDS = 60.0
ACCOUNT_SECONDS = 10.0


def probe_cluster(cluster_id: int) -> None:
    """Look at a cluster and note what is found; safe to run twice, or at once with another."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None or cluster.status not in PROBED:
        return
    try:
        client = kube_client(cluster)
        findings = _look(cluster, client)
    except (KubeError, KubeconfigRefused) as error:
        lost(cluster, error)
        return
    if not settings.RUNNER_IMAGE:
        # Simulated nodes, too: no job is taken without it.
        findings.append(finding("runner-image-unknown"))
    settle(cluster, findings)
    if cluster.simulated or not settings.RUNNER_IMAGE:
        return
    with _noted(findings):
        findings += _try_ways(cluster, client)
    settle(cluster, findings)


def lost(cluster: Cluster, error: KubeError | KubeconfigRefused) -> None:
    """Say that a cluster cannot be used now, and why; what was seen before stays, with its age."""
    problem = told(error)
    reason = f"{problem.title}: {problem.text}"[:500]
    if move(cluster, ClusterStatus.UNREACHABLE, expect=[ClusterStatus.CONNECTING, ClusterStatus.READY, ClusterStatus.DEGRADED],
            reason=reason, problem_id=problem.problem.id):  # fmt: skip
        return
    if cluster.status == ClusterStatus.UNREACHABLE and cluster.reason != reason:
        touch(cluster, reason=reason, problem_id=problem.problem.id)
        cluster.announce()


def settle(cluster: Cluster, findings: list[dict[str, str]]) -> None:
    """Move a cluster that answers to ready, or to degraded with the first finding as its reason."""
    now = timezone.now()
    findings = with_sources(cluster, findings)
    status = ClusterStatus.DEGRADED if findings else ClusterStatus.READY
    reason = findings[0]["text"][:500] if findings else ""
    problem_id = findings[0]["id"] if findings else ""
    cluster.refresh_from_db()
    values: dict[str, Any] = {"findings": findings, "problem_id": problem_id, "seen_at": now}
    if cluster.status == status:
        touch(cluster, reason=reason, **values)
        cluster.announce()
    elif cluster.status in PROBED:
        move(cluster, status, expect=cluster.status, reason=reason, **values)


def settle_sources(cluster: Cluster) -> None:
    """Settle a cluster anew when what the other parts of the studio found has changed."""
    cluster.refresh_from_db()
    usable = cluster.status in (ClusterStatus.READY, ClusterStatus.DEGRADED)
    if usable and with_sources(cluster, cluster.findings) != cluster.findings:
        settle(cluster, cluster.findings)


def finding(id: str, **params: Any) -> dict[str, str]:
    """Return a problem as a cluster's findings hold it."""
    problem = ProblemError(id, **params)
    return {"id": id, "title": problem.title, "text": problem.text, "todo": problem.todo}


def node_findings(cluster: Cluster) -> list[dict[str, str]]:
    """Return what is wrong with the nodes as last seen."""
    count = cluster.nodes.count()
    bad = list(cluster.nodes.filter(ready=False).values_list("name", "reason"))
    if not count:
        return [finding("cluster-no-nodes-ready", text="The cluster has no nodes.")]
    if len(bad) == count:
        return [finding("cluster-no-nodes-ready", text=f"None of the {count} nodes is ready: {bad[0][1]}")]
    if bad:
        named = ", ".join(name for name, _ in bad[:5]) + (" …" if len(bad) > 5 else "")
        return [finding("cluster-nodes-not-ready", text=f"{len(bad)} of {count} nodes are not ready: {named}.")]
    return []


NODE_FINDINGS = ("cluster-no-nodes-ready", "cluster-nodes-not-ready")


def _look(cluster: Cluster, client: KubeClient) -> list[dict[str, str]]:
    """Read what the cluster is and has, and write it down."""
    version = str(client.version()["gitVersion"])
    findings = [finding("cluster-insecure")] if cluster.allow_insecure else []
    missing = [str(answer.rule) for answer in client.can_i(_cluster_questions()) if not answer.allowed]
    if missing:
        findings.append(finding("cluster-permissions-missing", missing=", ".join(missing[:8])))
    nodes = client.list(kinds.NODE)
    pods = _allowed(lambda: client.list(kinds.POD, fields="status.phase!=Succeeded,status.phase!=Failed"), [])
    with _noted(findings):
        findings += _install_custom_resource(client)
    groups = _allowed(client.api_groups, {})
    keep_nodes(cluster, observe_nodes(nodes, pods))
    for kind, group in ((kinds.INSTANCE_TYPE, instance_types.OURS), (kinds.AZUREML_INSTANCE_TYPE, instance_types.ORIGINAL)):
        found = _allowed(lambda kind=kind: client.list(kind), [])  # type: ignore[misc]
        keep_instance_types(cluster, [observe_type(each, group) for each in found], group)
    touch(
        cluster,
        kubernetes_version=version,
        distribution=distribution_of(version, nodes, groups),
        simulated=bool(nodes) and all(is_simulated(node) for node in nodes),
        uid=cluster.uid or _allowed(lambda: uid_of(client), ""),
        facts=node_facts(cluster),
        probed_at=timezone.now(),
        seen_at=timezone.now(),
    )
    return findings + node_findings(cluster)


def _cluster_questions() -> list[Any]:
    # The custom resource's own upgrade is tried, not asked for: a newer one needs none.
    needs: list[Need] = [need for need in CLUSTER_NEEDS if need.kind not in (kinds.CRD, kinds.AZUREML_INSTANCE_TYPE)]
    return questions(needs)


def _install_custom_resource(client: KubeClient) -> list[dict[str, str]]:
    """Apply the InstanceType resource unless the cluster has this version or a newer one; wait until it is served."""
    found = _allowed(lambda: client.find(kinds.CRD, CRD_NAME), None)
    annotations = ((found or {}).get("metadata") or {}).get("annotations") or {}
    kept = annotations.get(manifests.CRD_VERSION, "0")
    if not kept.isdecimal() or int(kept) < manifests.NEWEST_CRD:
        # Who installed it first stays its owner: it goes only with that studio.
        owner = StudioIdentity.get() if found is None else annotations.get(manifests.STUDIO, "")
        try:
            client.apply(kinds.CRD, manifests.instance_type_crd(owner), force=True)
        except (Forbidden, Conflict) as error:
            return [finding("cluster-crd-not-applied", text=error.message)]
    served = _until(lambda: client.has_api(kinds.INSTANCE_TYPE), 15.0)
    return [] if served else [finding("cluster-crd-not-applied", text="The API server does not serve it yet.")]


def _try_ways(cluster: Cluster, client: KubeClient) -> list[dict[str, str]]:
    """Find out how log bytes travel and whether pods reach the studio, with two small pods; they are removed again."""
    image = settings.RUNNER_IMAGE
    findings = system_namespace(client)
    if findings:
        return findings
    fixed_user = cluster.distribution != "OpenShift"
    token = secrets.token_urlsafe(24)
    name = manifests.probe_name("serve", cluster.pk, StudioIdentity.get())
    serving = manifests.serving_probe(name, manifests.SYSTEM_NAMESPACE, image, token, fixed_user=fixed_user)
    with _pod(client, serving) as pod:
        why = _until_running(client, pod)
        if why:
            return [finding("cluster-probe-failed", text=why, namespace=manifests.SYSTEM_NAMESPACE)]
        route, detail = route_to(client, pod, token)
    touch(cluster, log_route=route, log_route_detail=detail)
    if route == LogRoute.PODS_LOG:
        findings.append(finding("cluster-logs-may-lose-lines"))
    return findings + _try_studio(cluster, client, image, fixed_user=fixed_user)


def _try_studio(cluster: Cluster, client: KubeClient, image: str, *, fixed_user: bool) -> list[dict[str, str]]:
    url = settings.STUDIO_URL_FOR_PODS
    if not url:
        touch(cluster, pods_reach_studio=None, pods_reach_studio_detail="")
        return [finding("studio-address-unknown")]
    name = manifests.probe_name("ask", cluster.pk, StudioIdentity.get())
    asking = manifests.asking_probe(name, manifests.SYSTEM_NAMESPACE, image, url, settings.STUDIO_CA_FOR_PODS, fixed_user=fixed_user)
    with _pod(client, asking) as pod:
        answer = asked_by_a_pod(client, pod, POD_SECONDS)
    if answer is None:
        text = f"No answer of a pod within {POD_SECONDS:.0f} s"
        return [finding("cluster-probe-failed", text=text, namespace=manifests.SYSTEM_NAMESPACE)]
    if answer["reached"]:
        touch(cluster, pods_reach_studio=True, pods_reach_studio_detail=f"{url} answered in {answer['ms']} ms")
        return []
    touch(cluster, pods_reach_studio=False, pods_reach_studio_detail=f"{url}: {answer['error']}"[:500])
    return [finding("studio-not-reached", url=url, text=answer["error"])]


def system_namespace(client: KubeClient) -> list[dict[str, str]]:
    """Make the namespace that probe pods run in, unless it is there."""

    def there() -> dict[str, Any] | None:
        found: dict[str, Any] | None = _allowed(lambda: client.find(kinds.NAMESPACE, manifests.SYSTEM_NAMESPACE), None)
        return found

    # One that is on its way out (the cluster was detached a moment ago) takes no pods any more.
    _until(lambda: not is_terminating(there()), TERMINATING_SECONDS)
    if there() is not None:
        return []
    try:
        client.apply(kinds.NAMESPACE, manifests.namespace(manifests.SYSTEM_NAMESPACE, studio=StudioIdentity.get()))
    except Forbidden as error:
        return [finding("cluster-probe-failed", text=error.message, namespace=manifests.SYSTEM_NAMESPACE)]
    # The controller gives a new namespace its service account a moment later; pods are refused until then.
    _until(lambda: client.find(kinds.SERVICE_ACCOUNT, "default", manifests.SYSTEM_NAMESPACE) is not None, ACCOUNT_SECONDS)
    return []


@contextlib.contextmanager
def _pod(client: KubeClient, manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make a probe pod in place of one that an earlier probe left, and remove it at the end."""
    name, place = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    client.delete(kinds.POD, name, place, grace=0)
    _until(lambda: client.find(kinds.POD, name, place) is None, 20.0)
    made = client.create(kinds.POD, manifest, place)
    try:
        yield made
    finally:
        with contextlib.suppress(KubeError):
            client.delete(kinds.POD, name, place, grace=0, uid=made["metadata"]["uid"])


def _until_running(client: KubeClient, pod: dict[str, Any]) -> str:
    """Wait until a pod runs; return why it does not, or nothing."""
    place, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    last: dict[str, Any] = pod
    why = ""

    def runs_or_never_will() -> bool:
        nonlocal last, why
        last = client.get(kinds.POD, name, place)
        status = last.get("status") or {}
        waiting = [(each.get("state") or {}).get("waiting") or {} for each in status.get("containerStatuses") or []]
        hopeless = [each for each in waiting if each.get("reason") in ("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff")]
        if hopeless:
            why = f"{hopeless[0]['reason']}: {hopeless[0].get('message', '')}"[:300]
        elif status.get("phase") in ("Failed", "Succeeded"):
            why = str(status.get("message") or status.get("reason") or "The probe pod ended at once.")
        return bool(why) or status.get("phase") == "Running"

    if _until(runs_or_never_will, POD_SECONDS):
        return why
    conditions = (last.get("status") or {}).get("conditions") or []
    said = [str(each["message"]) for each in conditions if each.get("status") == "False" and each.get("message")]
    return (said[0] if said else f"The probe pod did not start within {POD_SECONDS:.0f} s.")[:300]


def _until(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(STEP_SECONDS)
    return done()


def _allowed(ask: Callable[[], Any], otherwise: Any) -> Any:
    """Return an answer, or `otherwise` when we may not ask or there is nothing to be had."""
    try:
        return ask()
    except (Forbidden, NotFound):
        return otherwise


@contextlib.contextmanager
def _noted(findings: list[dict[str, str]]) -> Iterator[None]:
    """Note an error of the cluster as a finding; one that means that it is away goes on."""
    try:
        yield
    except Unauthorized:
        raise
    except KubeError as error:
        if error.retryable:
            raise
        problem = told(error)
        findings.append({"id": error.problem_id, "title": problem.title, "text": problem.text, "todo": problem.todo})
