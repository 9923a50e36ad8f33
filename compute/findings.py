"""Findings of a cluster that do not come from its probe: each part of the studio that has some registers where they come from.

Their rows are read anew whenever the cluster is settled, so that a probe neither loses them nor keeps old ones.
"""

from collections.abc import Callable

from compute.models import Cluster

Finding = dict[str, str]
# Whose findings → what they are now; rows only, no calls out.
SOURCES: dict[str, Callable[[Cluster], list[Finding]]] = {}
OF = "of"


def with_sources(cluster: Cluster, findings: list[Finding]) -> list[Finding]:
    """Return the findings of a probe or of the watch, and after them what every source says now."""
    own = [each for each in findings if OF not in each]
    return own + [each | {OF: name} for name, source in SOURCES.items() for each in source(cluster)]
