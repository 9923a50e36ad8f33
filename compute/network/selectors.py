"""What of a cluster's network others need: rows only, no calls out."""

from compute.models import Cluster
from compute.network.pods import PodNetwork

__all__ = ["PodNetwork", "pod_network"]


def pod_network(cluster: Cluster) -> PodNetwork:
    """Return how the pods of a cluster reach the world; empty where nothing is set.

    Render it with compute.network.pods: `secret_data`, `variables`, `mounts`, `volumes`.
    """
    return PodNetwork()
