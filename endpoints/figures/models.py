"""Samples of what routers count, and where each router's counters stood; imported by `endpoints.models`."""

from django.db import models


class Sample(models.Model):
    """What one deployment answered in one slot of time. Slots of all spans are written side by side."""

    endpoint = models.ForeignKey("endpoints.Endpoint", on_delete=models.CASCADE, related_name="samples")
    # By name: the figures of a deployment outlive it, as its endpoint's history.
    deployment = models.CharField(max_length=32)
    # Copies of requests that another deployment answered: nobody waited for these.
    mirrored = models.BooleanField(default=False)
    span = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    # How much of the slot the readings cover; a rate is requests by seconds.
    seconds = models.FloatField(default=0)
    requests = models.FloatField(default=0)
    # status code → answers, and upper bound in ms → answers within it.
    codes = models.JSONField(default=dict)
    times = models.JSONField(default=dict)
    # The fewest replicas that were ready.
    ready = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["endpoint", "span", "at", "deployment", "mirrored"], name="one_sample_a_slot"),)
        indexes = (models.Index(fields=["span", "at"]),)

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.deployment} {self.at:%H:%M:%S}"


class RouterSample(models.Model):
    """What a cluster's router answered by itself in one slot of time; a slot without anything has no row.

    Envoy counts these for a listener and not for a route, so that they are those of all endpoints of a router.
    """

    cluster = models.ForeignKey("compute.Cluster", on_delete=models.CASCADE, related_name="+")
    span = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    # Requests without a valid key (401).
    refused = models.FloatField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["cluster", "span", "at"], name="one_router_sample_a_slot"),)
        indexes = (models.Index(fields=["span", "at"]),)

    def __str__(self) -> str:
        return f"router of cluster {self.cluster_id} {self.at:%H:%M:%S}"


class RouterReading(models.Model):
    """Where the counters of a cluster's router stood when they were last read."""

    cluster = models.OneToOneField("compute.Cluster", on_delete=models.CASCADE, related_name="+")
    # pod uid → Envoy's name of a backend → {"codes", "times"}.
    counters = models.JSONField(default=dict)
    read_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=300, blank=True)
    # Taken for one reading: whoever did not take it leaves the counters alone.
    lease_until = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"router of cluster {self.cluster_id}"
