"""Read what a replica's containers printed: asked of the cluster when somebody looks, kept nowhere."""

from compute import selectors as computes
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError, NotFound
from endpoints.manifests import PREPARE, SERVER
from endpoints.models import Deployment
from endpoints.selectors import log_replica
from studio.core.errors import ProblemError

MOST_LINES, MOST_BYTES = 10_000, 4 * 1024 * 1024
# The original calls the container that brings the files by this name.
CONTAINERS = {SERVER: SERVER, PREPARE: PREPARE, "storage-initializer": PREPARE}


def read_log(deployment: Deployment, *, container: str = SERVER, pod: str = "", lines: int = 50, previous: bool = False) -> bytes:
    """Return the last `lines` of a container, of the replica named, else of one that serves; raises `not-found`."""
    which = CONTAINERS.get(container)
    replica = log_replica(deployment, pod)
    compute = deployment.endpoint.compute
    if which is None or (pod and replica is None) or compute is None:
        raise ProblemError("not-found")
    if replica is None:
        kept = (deployment.wanted.evidence if deployment.wanted else {}) or {}
        return "\n".join(str(one["log"]["text"]) for one in kept.get("pods", []) if one.get("log")).encode()
    try:
        client = computes.kube_client(compute.cluster)
        tail = max(1, min(lines, MOST_LINES))
        return client.logs(
            deployment.endpoint.namespace, replica.pod_name, which, tail=tail, limit_bytes=MOST_BYTES, previous=previous
        ).read()
    except NotFound:
        raise ProblemError("not-found") from None
    except (KubeError, KubeconfigRefused) as error:
        raise ProblemError("endpoint-call-failed", text=str(error)[:400]) from error
