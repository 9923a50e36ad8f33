"""Carry a deployment's files through the API server to a pod that cannot call the studio (transport `push`)."""

import asyncio

import structlog
from django.utils import timezone

from compute.connections import connection_of
from compute.kube.aclient import AsyncKubeClient
from compute.kube.config import Connection, KubeconfigRefused
from compute.kube.errors import KubeError
from compute.kube.pods import PodAddress, PodProxy, PodTransport, PortForward
from endpoints.models import Replica
from jobs.manifests import PORT
from jobs.pushing import Line, feed_by
from studio.core.secrets import SecretUnreadable

log = structlog.get_logger(__name__)


def feed_replica(replica_id: int) -> None:
    """Bring model and code to a pod that waits for them; what it has already is not sent again."""
    related = ("deployment__endpoint__compute__cluster",)
    replica = Replica.objects.select_related(*related).filter(pk=replica_id, state="preparing").first()
    compute = replica.deployment.endpoint.compute if replica else None
    if replica is None or compute is None:
        return
    deployment = replica.deployment
    revision = deployment.revisions.filter(number=replica.revision).first()
    if revision is None:
        return
    Replica.objects.filter(pk=replica.pk).update(fed_at=timezone.now())
    files = {"code.tar": revision.spec.get("code_digest"), "inputs/model.tar": (revision.spec.get("model") or {}).get("digest")}
    cluster = compute.cluster
    address = PodAddress(deployment.endpoint.namespace, replica.pod_name, PORT)
    try:
        connection = connection_of(cluster)
        asyncio.run(_feed(connection, cluster.log_route, address, deployment.token, files))
    except (KubeError, KubeconfigRefused, SecretUnreadable) as error:
        log.info("pod could not be fed", pod=replica.pod_name, error=str(error))


async def _feed(connection: Connection, route: str, address: PodAddress, token: str, files: dict[str, str | None]) -> None:
    async with AsyncKubeClient(connection) as client:
        transport: PodTransport = PortForward(client) if route == "port-forward" else PodProxy(client)
        await feed_by(Line(transport, address, {"X-Mooring-Token": token}), files.get, address.pod)
