"""Say why a job waits: what a try to reach its cluster met, or what the cluster's events tell and no pod does."""

import structlog
from django.db.models import F

from compute.kube.errors import KubeError
from compute.kube.kubeconfig_parts import KubeconfigRefused
from compute.selectors import kube_client
from jobs.models import WAITING, Job
from jobs.waiting import ASKED, Wait, not_made, stuck

log = structlog.get_logger(__name__)


def explain(job: Job, wait: Wait) -> None:
    """Note why a job waits, if that is not what it says already."""
    if (job.reason, job.waits_for) != (wait.text[:500], wait.key):
        said = {"reason": wait.text[:500], "waits_for": wait.key}
        Job.objects.filter(pk=job.pk, status=job.status).update(**said, version=F("version") + 1)
        job.announce()


def explain_from_events(job_id: int) -> None:
    """Ask the cluster's events why a job waits whose pods do not say it, or that got no pod."""
    job = Job.objects.select_related("workspace", "cluster").filter(pk=job_id).first()
    if job is None or job.cluster is None or not job.object_uid or job.status not in WAITING or job.waits_for not in ASKED:
        return
    pods = list(job.processes.filter(gone=False).order_by("-pk"))
    try:
        client = kube_client(job.cluster)
        if len({pod.index for pod in pods}) < job.instance_count:
            wait = not_made(client.events_for(job.namespace, job.object_uid))
        else:
            wait = stuck(client.events_for(job.namespace, pods[0].pod_uid))
    except (KubeError, KubeconfigRefused) as error:
        log.info("a job's events could not be read", job=job.name, error=str(error))
        return
    if wait:
        explain(job, wait)
