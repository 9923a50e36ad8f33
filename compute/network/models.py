"""The certificate of a cluster's router, the way out of its pods, and checks of it; imported by `compute.models`."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models

from studio.core.secrets import EncryptedTextField, SecretUnreadable

# Stands for a proxy that cannot be opened; nobody's proxy is called so.
LOCKED = "(cannot be opened)"


class CertificateSource(models.TextChoices):
    """Where the router's certificate comes from."""

    UPLOAD = "upload", "Uploaded here"
    SECRET = "secret", "A Secret of the cluster"


class CertificateStatus(models.TextChoices):
    """How far a certificate is on its way into the cluster."""

    WAITING = "waiting", "Waiting"
    READY = "ready", "Ready"
    DRIFTED = "drifted", "Changed in the cluster"
    FAILED = "failed", "Failed"
    REMOVING = "removing", "Removing"


class CheckStatus(models.TextChoices):
    """How far a check of the way out is; the last two are final."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class RouterCertificate(models.Model):
    """The certificate that a cluster's router is to show; the row is the truth, the Secret in the cluster follows it."""

    cluster = models.OneToOneField("compute.Cluster", on_delete=models.CASCADE, related_name="certificate")
    source = models.CharField(max_length=6, choices=CertificateSource.choices)
    # The Secret that is followed; its key is never stored here.
    secret_name = models.CharField(max_length=253, blank=True)
    # The chain in order, leaf first; and, of what was uploaded, the leaf's key.
    chain = models.TextField(blank=True)
    key = EncryptedTextField(blank=True)
    # Of chain and key together: what the Secret in the cluster is compared with.
    wanted = models.CharField(max_length=64, blank=True)
    # What a page shows (compute.network.certificates.Examined.facts); no secret is among it.
    facts = models.JSONField(default=dict)
    ends_at = models.DateTimeField(null=True, blank=True)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField()

    status = models.CharField(max_length=8, choices=CertificateStatus.choices, default=CertificateStatus.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    problem_id = models.CharField(max_length=60, blank=True)
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)
    # What was last written to the cluster by us; what was seen there instead of it, when somebody else changed it.
    applied = models.CharField(max_length=64, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    drift = models.JSONField(default=dict)
    # {"secret", "facts", "ends_at"} of the Secret that the router shows instead, by sslSecret, while an upload is kept here.
    direct = models.JSONField(default=dict)
    # Set by a person who wants ours back in place of what somebody else put there.
    overwrite = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"certificate of cluster {self.cluster_id}"

    @property
    def router_facts(self) -> dict[str, Any]:
        """Return the facts of the certificate that callers see."""
        facts: dict[str, Any] = self.direct["facts"] if self.direct else self.facts
        return facts

    @property
    def router_ends_at(self) -> datetime | None:
        """Return when the certificate that callers see ends."""
        return datetime.fromisoformat(self.direct["ends_at"]) if self.direct else self.ends_at

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        self.announce()

    def announce(self) -> None:
        """Tell the pages that show the cluster."""
        self.cluster.announce()


class PodNetworkSettings(models.Model):
    """How the pods of a cluster get out: a proxy, what is reached without it, and the authorities that they trust."""

    cluster = models.OneToOneField("compute.Cluster", on_delete=models.CASCADE, related_name="pod_network")
    # Encrypted because such an address may hold a password.
    http_proxy = EncryptedTextField(blank=True)
    https_proxy = EncryptedTextField(blank=True)
    no_proxy = models.TextField(blank=True)
    ca_bundle = models.TextField(blank=True)
    # The authorities of the studio's own machine stand before those of the bundle.
    ca_with_system = models.BooleanField(default=True)
    # Ranges of the cluster's pods and Services as last seen: reached without a proxy.
    ranges = models.JSONField(default=list)
    ranges_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"way out of cluster {self.cluster_id}"

    def proxy(self, name: str) -> str:
        """Return a proxy's address to be shown or compared; LOCKED where no key opens it."""
        try:
            return str(getattr(self, name))
        except SecretUnreadable:
            return LOCKED


class EgressCheck(models.Model):
    """One try of addresses from a pod of the cluster, through its proxy."""

    cluster = models.ForeignKey("compute.Cluster", on_delete=models.CASCADE, related_name="egress_checks")
    addresses = models.JSONField(default=list)
    # [{"url", "via", "status", "ms", "kind", "error"}] in the order of the addresses
    results = models.JSONField(default=list)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Until when the worker that took it has it for itself.
    taken_until = models.DateTimeField(null=True, blank=True)
    # Nothing of it is left in the cluster.
    cleaned = models.BooleanField(default=False)

    status = models.CharField(max_length=7, choices=CheckStatus.choices, default=CheckStatus.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    problem_id = models.CharField(max_length=60, blank=True)
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"check {self.pk}"

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        self.cluster.announce()
