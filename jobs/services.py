"""What people do with jobs: submit, cancel, resubmit, delete. Pages, API and command line all come through here."""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.models import ACTIVE, FINAL, Job, Status
from jobs.submit import Accepted, check_job, resolve
from studio.accounts.models import Workspace
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.ids import new_name
from studio.core.nudge import nudge
from studio.core.states import move


def submit_job(
    actor: Any,
    workspace: Workspace,
    *,
    text: str,
    overrides: Sequence[str] = (),
    code: str = "",
    local_inputs: Mapping[str, str] | None = None,
    idempotency_key: str = "",
    parent_name: str = "",
) -> Job:
    """Check the YAML and make the job; a worker is nudged to start it.

    `code` and the values of `local_inputs` are digests of trees that the workspace holds. Raises ProblemList with every
    problem found. The same `idempotency_key` gives the job that was made with it.
    """
    made = _made_before(workspace, idempotency_key)
    if made:
        return made
    accepted = check_job(workspace, text, overrides, code, local_inputs or {})
    name = accepted.name or new_name()
    resolved = resolve(accepted, text, overrides, name=name, workspace=workspace.name)
    try:
        with transaction.atomic():
            job = _make(actor, workspace, accepted, name, resolved, list(overrides), idempotency_key, parent_name)
            nudge("jobs.start", job.pk)
    except IntegrityError:
        made = _made_before(workspace, idempotency_key)
        if made:
            return made
        raise ProblemError("job-name-taken", field="name", name=name) from None
    return job


def cancel_job(actor: Any, job: Job) -> Job:
    """Ask the job to end: nothing runs if it had not started, else SIGTERM now and SIGKILL after 30 s."""
    with transaction.atomic():
        if move(job, Status.CANCELED, expect=Status.NOT_STARTED, reason=f"Canceled by {_who(actor)}", ended_at=timezone.now()):
            record(actor, "canceled", job, workspace=job.workspace.name)
            return job
        asked = move(
            job,
            Status.CANCEL_REQUESTED,
            expect=ACTIVE,
            reason=f"Cancel asked for by {_who(actor)}",
            cancel_requested_at=timezone.now(),
            waits_for="",
        )
        if not asked:
            job.refresh_from_db()
            if job.status == Status.CANCEL_REQUESTED:
                return job
            raise ProblemError("job-over", name=job.name, status=job.get_status_display().lower())
        record(actor, "asked to cancel", job, workspace=job.workspace.name)
        nudge("jobs.remove", job.pk)
    return job


def resubmit_job(actor: Any, job: Job, *, idempotency_key: str = "") -> Job:
    """Submit the same job once more, under a name of its own."""
    # The name belongs to the first job; everything else that was set over the YAML is set again.
    overrides = [given for given in job.overrides if not given.startswith("name=")]
    if job.yaml.lstrip().startswith("{"):
        # Written on one line, as JSON is: the name cannot be left out, only replaced.
        overrides.append(f"name={new_name()}")
    local = {name: value["mount"]["digest"] for name, value in job.inputs.items() if value.get("mount") and not value.get("asset")}
    return submit_job(
        actor,
        job.workspace,
        text=_without_name(job.yaml),
        overrides=overrides,
        code=job.code_digest,
        local_inputs=local,
        idempotency_key=idempotency_key,
        parent_name=job.name,
    )


def delete_job(actor: Any, job: Job) -> None:
    """Remove an ended job with its logs; the content of its outputs stays in the store, unlisted."""
    if job.status not in FINAL:
        raise ProblemError("job-not-over", name=job.name, status=job.get_status_display().lower())
    with transaction.atomic():
        record(actor, "deleted", job, workspace=job.workspace.name)
        Job.objects.filter(pk=job.pk).update(deleted_at=timezone.now())
        job.announce()
        nudge("jobs.delete", job.pk)


def erase_job(job_id: int) -> None:
    """Erase a deleted job's files and row, once its objects are out of the cluster; may run twice."""
    job = Job.objects.filter(pk=job_id).exclude(deleted_at=None).first()
    if job is None:
        return
    if not job.cleaned and job.cluster_id:
        nudge("jobs.remove", job.pk, last=True)
        return
    shutil.rmtree(job.folder, ignore_errors=True)
    job.delete()


def _make(
    actor: Any,
    workspace: Workspace,
    accepted: Accepted,
    name: str,
    resolved: dict[str, Any],
    overrides: list[str],
    key: str,
    parent: str,
) -> Job:
    job = Job.objects.create(
        workspace=workspace,
        name=name,
        submitted_by=actor if getattr(actor, "pk", None) else None,
        parent_name=parent,
        idempotency_key=key[:100] or None,
        token=secrets.token_urlsafe(32),
        warnings=accepted.warnings,
        overrides=overrides,
        **resolved,
        **accepted.values,
    )
    # The same moment to the microsecond: what comes next is never before `status_at`, and would stand before this.
    job.transitions.create(old="", status=Status.NOT_STARTED, at=job.status_at)
    record(actor, "submitted", job, workspace=workspace.name)
    job.announce()
    return job


def _made_before(workspace: Workspace, key: str) -> Job | None:
    return Job.objects.filter(workspace=workspace, idempotency_key=key[:100]).first() if key else None


def _who(actor: Any) -> str:
    return getattr(actor, "username", None) or "the studio"


def _without_name(text: str) -> str:
    """Return the YAML without its top-level `name`, which belongs to the first job; all else stays as written."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("name:"))
