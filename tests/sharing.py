"""Which tests run in one process when several run side by side (`--dist loadfile`), and in which order.

Together are those that use what there is only once: the router of the cluster and its extension, and a studio that was made
for many. All others go by their file, whoever is free next. Who needs the router comes before who takes it away.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
# A cluster has one extension, and one identity of the generated manifest. Who else asks for the router joins them.
ROUTER = (
    "cluster/test_make_run.py",
    "cluster/test_compute_real.py",
    "cluster/test_endpoints.py",
    "cluster/test_acceptance_endpoints.py",
    "browser/test_endpoints.py",
    "cluster/test_least_rights.py",
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
)
# What needs a cluster or a browser and no studio that is there already.
ALONE = (
    "cluster/test_kube_client.py",
    "cluster/test_runner_pod.py",
    "cluster/test_studio_in_pod.py",
    "cluster/test_supported_version.py",
)
# Clusters of their own take long to come and go: they begin early.
EARLY = ("sandbox/test_plain_user.py", "sandbox/test_cluster_full.py", "sandbox/test_cluster_simulated.py")
# Of the quick ones: seconds each, which one process would still have before it when the others are done.
LONG = ("test_access.py", "test_confirmed.py", "hostile/test_leading_away.py")
_ORDER = {file: number for number, file in enumerate((*ROUTER, *JOBS, *EARLY, *LONG))}


class Sharing(LoadScopeScheduling):
    """Give each process a group at a time: one of those above, or a file."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0].removeprefix(f"{TESTS.name}/"))


@cache
def group_of(file: str) -> str:
    """Return the group of a file of tests: `router`, `jobs`, or the file alone."""
    if file in ALONE or not file.startswith(("cluster/", "browser/")):
        return file
    text = "tls_router" if file in ROUTER else (TESTS / file).read_text(encoding="utf-8")
    return "router" if "tls_router" in text or "tests.cluster.extension" in text else "jobs"


def scheduler(config: pytest.Config, log: Any) -> Sharing | None:
    """Return what shares the tests out where files are to stay together, nothing otherwise."""
    return Sharing(config, log) if config.getvalue("dist") == "loadfile" else None


def put_in_order(items: list[pytest.Item]) -> None:
    """Put the groups first and in order; all others stay as they were."""
    items.sort(key=lambda item: _ORDER.get(_file(item), len(_ORDER)))


def _file(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else item.path.name
