"""A release of another studio: taken over when somebody says so, and let go by who had it."""

from pathlib import Path
from typing import Any

import pytest

from compute.connections import kube_client
from compute.extension import health, operations, services
from compute.extension.models import Extension, ExtensionOperation
from compute.extension.release import history, owner
from compute.kube import kinds
from compute.manifests import namespace
from compute.models import Cluster, StudioIdentity
from compute.router import NAMESPACE
from studio.accounts.models import User
from studio.audit.models import Entry
from studio.core.errors import ProblemList
from tests.compute.extension.releases import install_program, secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TRAINING = {"enableTraining": True}


@pytest.fixture(autouse=True)
def with_helm(settings: Any, tmp_path: Path, cluster: Cluster) -> None:
    """Give the studio a Helm that keeps releases, and the cluster its namespace."""
    settings.HELM = install_program(tmp_path)
    settings.EXTENSION_CHARTS = ""
    kube_client(cluster).apply(kinds.NAMESPACE, namespace(NAMESPACE, studio=StudioIdentity.get()))


def done(operation: ExtensionOperation) -> ExtensionOperation:
    operations.run_operation(operation.pk)
    operation.refresh_from_db()
    return operation


def taken_by_another(cluster: Cluster) -> None:
    client = kube_client(cluster)
    number = max((each.revision for each in history(client)), default=0) + 1
    client.create(kinds.SECRET, secret(number, "deployed", studio="other"), NAMESPACE)


def test_another_studios_release_is_taken_over_when_somebody_says_so(operator: User, cluster: Cluster) -> None:
    taken_by_another(cluster)
    with pytest.raises(ProblemList):
        services.install_extension(operator, cluster, settings=TRAINING)
    operation = done(services.install_extension(operator, cluster, settings=TRAINING, take_over=True))
    row = Extension.objects.get(cluster=cluster)
    assert (operation.status, row.status, row.revision) == ("done", "ready", 1)
    client = kube_client(cluster)
    assert owner(client) == StudioIdentity.get()
    # It was upgraded, not removed and installed anew: what it has in the cluster went on.
    assert [each.revision for each in history(client)] == [1, 2]
    assert Entry.objects.filter(target_kind="cluster").latest("pk").diff["take over"] == ["", "True"]


def test_who_had_it_says_that_it_is_no_longer_its_own(operator: User, cluster: Cluster) -> None:
    done(services.install_extension(operator, cluster, settings=TRAINING))
    taken_by_another(cluster)
    row = Extension.objects.get(cluster=cluster)
    health.watch_extension(row.pk)
    row.refresh_from_db()
    assert (row.status, row.problem_id) == ("degraded", "extension-owned-elsewhere")
    assert "other" in row.reason


def test_who_had_it_leaves_it_in_the_cluster_when_removing(operator: User, cluster: Cluster) -> None:
    done(services.install_extension(operator, cluster, settings=TRAINING))
    taken_by_another(cluster)
    operation = done(services.remove_extension(operator, cluster))
    assert (operation.status, Extension.objects.get(cluster=cluster).status) == ("done", "absent")
    assert owner(kube_client(cluster)) == "other"


def test_who_had_it_takes_it_back_with_a_change(operator: User, cluster: Cluster) -> None:
    done(services.install_extension(operator, cluster, settings=TRAINING))
    taken_by_another(cluster)
    assert done(services.change_extension(operator, cluster, settings={}, take_over=True)).status == "done"
    assert owner(kube_client(cluster)) == StudioIdentity.get()
