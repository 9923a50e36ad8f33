"""From a cluster's row to a client that talks to it; one client per cluster and credentials in a process."""

import hashlib
import threading
import time

from django.conf import settings

from compute.kube.client import KubeClient
from compute.kube.config import Connection, KubeconfigRefused, connection, in_cluster
from compute.models import Cluster
from studio.core.secrets import SecretUnreadable

# The kubelet replaces a pod's own token about once an hour: those clients are made anew well before.
IN_CLUSTER_SECONDS = 600.0

_lock = threading.Lock()
_clients: dict[int, tuple[str, float, KubeClient]] = {}


def connection_of(cluster: Cluster) -> Connection:
    """Return how to reach a cluster; raises KubeconfigRefused when its credentials cannot be used any more."""
    if cluster.in_cluster:
        return in_cluster()
    context, reach = cluster.context or None, settings.CLUSTER_NETWORKS
    return connection(_credentials(cluster), context, allow_insecure=cluster.allow_insecure, reach=reach)


def kube_client(cluster: Cluster) -> KubeClient:
    """Return this process's client for a cluster; replaced credentials take effect at the next call."""
    kept = fingerprint(cluster)
    now = time.monotonic()
    with _lock:
        found = _clients.get(cluster.pk)
        if found and found[0] == kept and (not cluster.in_cluster or now - found[1] < IN_CLUSTER_SECONDS):
            return found[2]
    client = KubeClient(connection_of(cluster))
    with _lock:
        # The old client is left to whoever still uses it; its pool closes with its last user.
        _clients[cluster.pk] = (kept, now, client)
    return client


def forget_client(cluster_id: int) -> None:
    """Drop the client of a cluster that is gone."""
    with _lock:
        _clients.pop(cluster_id, None)


def _credentials(cluster: Cluster) -> str:
    try:
        return str(cluster.credentials)
    except SecretUnreadable as error:
        # As with credentials that nobody takes: the cluster is told as unreachable until they are replaced or the key is back.
        raise KubeconfigRefused("secret-unreadable", error.text, **error.params) from error


def fingerprint(cluster: Cluster) -> str:
    """Return a text that changes when a cluster is to be reached in another way."""
    parts = f"{cluster.server}\n{cluster.context}\n{cluster.allow_insecure}\n{cluster.in_cluster}\n{_credentials(cluster)}"
    return hashlib.sha256(parts.encode()).hexdigest()
