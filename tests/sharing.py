"""Which tests run in one process when several run side by side (`--dist loadfile`), and in which order.

Together are those that use what there is only once: the router of the cluster, and a studio that was made for many. All
others go by their file, whoever is free next. Who needs the router as it was left comes before who takes it away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
# A cluster has one extension.
ROUTER = (
    "cluster/test_make_run.py",
    "cluster/test_endpoints.py",
    "browser/test_endpoints.py",
    "cluster/test_network.py",
    "browser/test_network.py",
    "cluster/test_extension.py",
    "browser/test_extension.py",
    "cluster/test_router_certificate.py",
)
# What needs the cluster and a studio, and not the router.
JOBS = (
    "browser/test_main_job.py",
    "browser/test_live.py",
    "browser/test_models.py",
    "browser/test_yaml_editor.py",
    "cluster/test_main_job.py",
    "cluster/test_killed_parts.py",
    "cluster/test_ways.py",
    "cluster/test_yaml_jobs.py",
    "cluster/test_compute_real.py",
)
# Clusters of their own take long to come and go: they begin early.
EARLY = ("sandbox/test_cluster_full.py", "sandbox/test_cluster_simulated.py")
_GROUP_OF = {**dict.fromkeys(ROUTER, "router"), **dict.fromkeys(JOBS, "jobs")}
_ORDER = {file: number for number, file in enumerate((*ROUTER, *JOBS, *EARLY))}


class Sharing(LoadScopeScheduling):
    """Give each process a group at a time: one of those above, or a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].removeprefix(f"{TESTS.name}/")
        return _GROUP_OF.get(file, file)


def scheduler(config: pytest.Config, log: Any) -> Sharing | None:
    """Return what shares the tests out where files are to stay together, nothing otherwise."""
    return Sharing(config, log) if config.getvalue("dist") == "loadfile" else None


def put_in_order(items: list[pytest.Item]) -> None:
    """Put the groups first and in order; all others stay as they were."""
    items.sort(key=lambda item: _ORDER.get(_file(item), len(_ORDER)))


def _file(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else item.path.name
