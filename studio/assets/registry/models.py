"""Models of a workspace and their versions. A version's files and number never change."""

from django.db import models

from studio.accounts.models import User, Workspace


class Type(models.TextChoices):
    """What the files of a model are, named as in the original."""

    CUSTOM = "custom_model", "Custom"
    MLFLOW = "mlflow_model", "MLflow"
    TRITON = "triton_model", "Triton"


class Model(models.Model):
    """A name under which versions of one model are kept."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=20, choices=Type.choices, default=Type.CUSTOM)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    # The highest number ever given: one that was deleted is not given to other files.
    last_number = models.PositiveIntegerField(default=0)
    archived = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["workspace", "name"], name="one_model_a_name"),)

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """One version of a model: a folder or a file by content, and where it came from."""

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="versions")
    # A number counted up when none is given, else any word, as in the original.
    version = models.CharField(max_length=100)
    # Restricted, not protected: a workspace that goes takes both with it.
    snapshot = models.ForeignKey("assets.Snapshot", on_delete=models.RESTRICT, related_name="+")
    # The last part of the path it was registered from; deployments find the files under this name.
    base_name = models.CharField(max_length=255)
    is_file = models.BooleanField(default=False)
    # What the MLmodel file says: its flavors with their fields, and the signature.
    flavors = models.JSONField(default=dict)
    signature = models.JSONField(default=dict)
    stage = models.CharField(max_length=100, blank=True)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    properties = models.JSONField(default=dict)
    # The job by name, as the job may be deleted; the files stay.
    job_name = models.CharField(max_length=255, blank=True, db_index=True)
    job_output = models.CharField(max_length=255, blank=True)
    job_path = models.CharField(max_length=1024, blank=True)
    archived = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["model", "version"], name="one_number_a_model_version"),)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Return `name:version`, as it is shown and audited."""
        return f"{self.model.name}:{self.version}"

    @property
    def reference(self) -> str:
        """Return `azureml:name:version`, as YAMLs name it."""
        return f"azureml:{self.name}"

    @property
    def digest(self) -> str:
        """Return the digest of the tree of files: the content of the folder, or the one file."""
        return self.snapshot.digest

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return self.snapshot.size

    @property
    def count(self) -> int:
        """Return how many files there are."""
        return self.snapshot.count

    @property
    def folder(self) -> str:
        """Return the folder below AZUREML_MODEL_DIR that the tree goes into; none for a single file."""
        return "" if self.is_file else self.base_name
