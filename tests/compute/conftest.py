"""What tests of clusters and computes share: a fake API server, people, and a cluster that has been attached."""

from typing import Any

import pytest

from compute import probing, services
from compute.models import Cluster
from studio.accounts.models import Membership, User, Workspace
from tests.fakekube import FakeKube, fakekube

__all__ = ["fakekube"]


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_user("olga", is_operator=True)


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_user("ada", is_superuser=True)


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="demo", display_name="Demo")


@pytest.fixture
def reader(workspace: Workspace) -> User:
    user = User.objects.create_user("rita")
    Membership.objects.create(user=user, workspace=workspace, role="reader")
    return user


@pytest.fixture
def cluster(operator: User, fakekube: FakeKube, settings: Any) -> Cluster:
    """A cluster with two nodes, one of them with two GPUs, that was looked at once; probe pods are not tried."""
    settings.RUNNER_IMAGE = ""
    fakekube.node("node-a")
    fakekube.node("node-gpu", gpus=2)
    row = services.attach_cluster(operator, name="local", kubeconfig=fakekube.kubeconfig())
    probing.probe_cluster(row.pk)
    row.refresh_from_db()
    return row
