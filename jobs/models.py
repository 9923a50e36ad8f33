"""Jobs, the processes they run as, and what these leave behind."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse

from jobs.waiting import NEXT_STEPS
from studio.accounts.models import User, Workspace
from studio.core.ids import new_name
from studio.core.secrets import EncryptedTextField
from studio.live.bus import publish
from studio.notices.services import tell
from studio.tables.words import WordIndex, folded


class Status(models.TextChoices):
    """States of a job, named as in the original."""

    NOT_STARTED = "NotStarted", "Not started"
    QUEUED = "Queued", "Queued"
    PREPARING = "Preparing", "Preparing"
    STARTING = "Starting", "Starting"
    RUNNING = "Running", "Running"
    FINALIZING = "Finalizing", "Finalizing"
    CANCEL_REQUESTED = "CancelRequested", "Cancel requested"
    COMPLETED = "Completed", "Completed"
    FAILED = "Failed", "Failed"
    CANCELED = "Canceled", "Canceled"


FINAL = frozenset({Status.COMPLETED.value, Status.FAILED.value, Status.CANCELED.value})
# In the order in which a job passes through them.
ACTIVE = (
    Status.NOT_STARTED.value,
    Status.QUEUED.value,
    Status.PREPARING.value,
    Status.STARTING.value,
    Status.RUNNING.value,
    Status.FINALIZING.value,
)
# In these nothing of the command runs yet: what is waited for is said, with what would end it.
WAITING = ACTIVE[: ACTIVE.index(Status.RUNNING.value)]
# Of these ends, who submitted the job is told; that it was canceled they know.
TOLD = {Status.COMPLETED.value: "job-completed", Status.FAILED.value: "job-failed"}
UNFINISHED = (*ACTIVE, Status.CANCEL_REQUESTED.value)


LISTED_BY = {
    "age": (),
    "status": ("status",),
    "experiment": ("experiment",),
    "experiment_status": ("experiment", "status"),
    "compute": ("compute_name",),
    "submitter": ("submitted_by",),
    "start": ("started_at",),
}
WORDS = WordIndex("jobs_job")


class Job(models.Model):
    """One run of a command on a compute. Its name is also its run id."""

    name = models.CharField(max_length=255, unique=True, default=new_name)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="jobs")
    display_name = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    experiment = models.CharField(max_length=255, default="Default")
    type = models.CharField(max_length=20, default="command")
    submitted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    parent_name = models.CharField(max_length=255, blank=True)
    # A program that sends its request again gets the job it already made.
    idempotency_key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001 - unique only when given

    # As it was given, and what was set over it (`--set`).
    yaml = models.TextField()
    overrides = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    tags = models.JSONField(default=dict)
    # What a search looks in: name, display name, experiment and tags (words_of); kept when a row is saved as a whole.
    words = models.TextField(blank=True, default="")
    command = models.TextField()
    image = models.CharField(max_length=500)
    image_asked = models.CharField(max_length=500, blank=True)
    environment_variables = models.JSONField(default=dict)
    code_digest = models.CharField(max_length=80, blank=True)
    inputs = models.JSONField(default=dict)
    outputs = models.JSONField(default=dict)
    instance_type = models.CharField(max_length=63, blank=True)
    instance_count = models.PositiveIntegerField(default=1)
    shm_size = models.CharField(max_length=20, blank=True)
    timeout_seconds = models.PositiveIntegerField(null=True, blank=True)
    retries = models.PositiveIntegerField(default=0)

    compute = models.ForeignKey("compute.Compute", null=True, on_delete=models.SET_NULL, related_name="jobs")
    compute_name = models.CharField(max_length=63)
    cluster = models.ForeignKey("compute.Cluster", null=True, on_delete=models.SET_NULL, related_name="+")
    namespace = models.CharField(max_length=63)
    object_uid = models.CharField(max_length=64, blank=True)
    # What the Job object last said of itself: "", Complete, Failed, or Gone.
    object_state = models.CharField(max_length=10, blank=True)
    # When the studio came to know of it: from then on what its pods left has time to arrive.
    object_state_at = models.DateTimeField(null=True, blank=True)
    token = EncryptedTextField(blank=True)
    # How files travel: `direct` (pods call the studio) or `push` (the studio reaches pods through the API server).
    transport = models.CharField(max_length=6, default="direct")
    # The Job and its Secret have been taken out of the cluster.
    cleaned = models.BooleanField(default=False)

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.NOT_STARTED)
    reason = models.CharField(max_length=500, blank=True)
    # What `reason` waits for, as a key of NEXT_STEPS.
    waits_for = models.CharField(max_length=20, blank=True, default="")
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)
    problem_id = models.CharField(max_length=60, blank=True)
    problem_params = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=["workspace", "idempotency_key"], name="one_job_an_idempotency_key"),
        )
        # One for each way in which the list is narrowed or sorted: the id last, so that a page is read off the index, and
        # without the deleted ones, so that counting never looks at a row.
        indexes = (
            *(
                models.Index(fields=["workspace", *fields, "id"], condition=models.Q(deleted_at=None), name=f"jobs_by_{name}")
                for name, fields in LISTED_BY.items()
            ),
            models.Index(fields=["status", "status_at"]),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.words = words_of(self)
        super().save(*args, **kwargs)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def next_step(self) -> str:
        """What would end the job's wait; nothing when it does not wait."""
        return NEXT_STEPS.get(self.waits_for, "") if self.status in (*WAITING, Status.CANCEL_REQUESTED) else ""

    @property
    def object_name(self) -> str:
        return f"mj-{self.pk}"

    @property
    def folder(self) -> Path:
        """Where the studio keeps the job's logs."""
        return Path(settings.RUNS) / str(self.pk)

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        Transition.objects.create(job=self, old=old, status=new, at=at, reason=reason)
        if new in TOLD:
            self._tell(new, reason)
        self.announce()

    def _tell(self, status: str, reason: str) -> None:
        """Tell who submitted the job how it ended."""
        title = f"{self.display_name or self.name} {'completed' if status == Status.COMPLETED else 'failed'}"
        url = reverse("jobs:detail", args=[self.workspace.name, self.name])
        tell([self.submitted_by], TOLD[status], title=title, text=reason, url=url, about=f"job:{self.pk}:{status}",
             workspace=self.workspace.name)  # fmt: skip

    def announce(self) -> None:
        """Tell the pages that show this job."""
        payload = {"name": self.name, "status": self.status, "version": self.version}
        publish((f"job:{self.name}", f"jobs:{self.workspace.name}"), "changed", payload)


def words_of(job: Job) -> str:
    """Return what a search for a job looks in."""
    tags = (f"{key} {value}" for key, value in job.tags.items())
    return folded(job.name, job.display_name, job.experiment, *tags)


class Transition(models.Model):
    """One change of a job's state, and when it happened."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="transitions")
    old = models.CharField(max_length=16)
    status = models.CharField(max_length=16)
    at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return f"{self.job_id}: {self.old} to {self.status}"


class Process(models.Model):
    """One pod of a job: process `index` of `instance_count`, at its first or a later attempt."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="processes")
    index = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    pod_uid = models.CharField(max_length=64)
    pod_name = models.CharField(max_length=253)
    node = models.CharField(max_length=253, blank=True)
    phase = models.CharField(max_length=12, default="Pending")
    gone = models.BooleanField(default=False)
    exit = models.JSONField(null=True, blank=True)
    # Why the pod failed, as {"id", "params"}.
    problem = models.JSONField(null=True, blank=True)
    # The sidecar has brought everything and said so (its `problems` say what it could not bring).
    finished = models.BooleanField(default=False)
    problems = models.JSONField(default=list)
    log_bytes = models.PositiveBigIntegerField(default=0)
    log_final = models.BooleanField(default=False)
    log_tail_lost = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("index", "attempt")
        constraints = (models.UniqueConstraint(fields=["job", "pod_uid"], name="one_process_a_pod"),)

    def __str__(self) -> str:
        return f"{self.job_id}/{self.index}.{self.attempt}"

    @property
    def exit_code(self) -> int | None:
        return self.exit["code"] if self.exit else None

    def log_path(self, file: str = "std_log.txt") -> Path:
        """Where this process's log is kept; `file` is one of LOG_FILES."""
        return Path(settings.RUNS) / str(self.job_id) / f"{self.pk}-{file}"


LOG_FILES = ("std_log.txt", "prepare.txt", "runner.txt")


class Output(models.Model):
    """One file that a process left: below `root` (`artifacts`, or a named output) at `path`."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="output_files")
    index = models.PositiveIntegerField(default=0)
    root = models.CharField(max_length=255)
    path = models.CharField(max_length=1024)
    size = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=80)

    class Meta:
        ordering = ("root", "path")
        constraints = (
            models.UniqueConstraint(fields=["job", "root", "path"], name="one_file_a_path"),
        )

    def __str__(self) -> str:
        return f"{self.root}/{self.path}"
