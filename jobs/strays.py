"""Take out of a cluster what is of a job that was deleted here: it comes back with a cluster that is put back to an older state.

A row is there before its objects, and goes after them. A Job that has no row and was never deleted here is left alone: it was
submitted after the backup from which this database came, and may still bring somebody their results (docs/operators/backup.md).
"""

from typing import Any

import structlog

from compute import selectors as computes
from compute.kube import kinds, names
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Conflict, KubeError
from compute.models import Cluster, Compute
from jobs.manifests import JOB_NAME
from jobs.models import Job
from studio.audit.models import Entry

log = structlog.get_logger(__name__)


def is_stray(cluster_id: int, thing: dict[str, Any]) -> bool:
    """Tell whether a Job lies in a namespace of a compute and is of a job that was deleted here."""
    metadata = thing["metadata"]
    id, name = str((metadata.get("labels") or {}).get(names.ID, "")), (metadata.get("annotations") or {}).get(JOB_NAME)
    if metadata.get("deletionTimestamp") or not id.isdecimal() or not name:
        return False
    if not Compute.objects.filter(cluster=cluster_id, namespace=metadata.get("namespace")).exists():
        return False
    # Its name has something random in it, or was free here when it was given: another studio's is another's.
    known = Job.objects.filter(name=name).exists()
    return not known and Entry.objects.filter(target_kind="job", target_id=id, target_name=name, verb="deleted").exists()


def remove_strays(cluster_id: int) -> None:
    """Delete the Jobs in a cluster that are strays; their pods and Secrets go with them."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None:
        return
    try:
        client = computes.kube_client(cluster)
        for namespace in Compute.objects.filter(cluster=cluster).values_list("namespace", flat=True):
            _remove_from(client, cluster, namespace)
    except (KubeError, KubeconfigRefused) as error:
        # The watch tells of them again after its next list.
        log.info("strays could not be removed", cluster=cluster.name, error=str(error))


def _remove_from(client: KubeClient, cluster: Cluster, namespace: str) -> None:
    for thing in client.list(kinds.JOB, namespace, labels={names.MANAGED_BY: names.MANAGER, names.KIND: "job"}):
        # The list is older than the look at the rows: a job that came in between has its row already.
        if not is_stray(cluster.pk, thing):
            continue
        metadata = thing["metadata"]
        log.warning("a job that was deleted is back and is taken out", cluster=cluster.name, namespace=namespace, object=metadata["name"])
        try:
            client.delete(kinds.JOB, metadata["name"], namespace, propagation="Background", uid=metadata["uid"])
        except Conflict:
            log.info("it was replaced meanwhile", object=metadata["name"])
