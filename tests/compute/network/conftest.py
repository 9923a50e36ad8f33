"""Certificates of two families, and a client of a cluster that has the router's namespace."""

from typing import Any

import pytest

from compute import services
from compute.kube import kinds
from compute.models import Cluster
from tests.compute.network.pki import Family, family
from tests.compute.network.placed import PLACE
from tests.fakekube import FakeKube


@pytest.fixture(scope="session")
def first() -> Family:
    return family()


@pytest.fixture(scope="session")
def second() -> Family:
    return family()


@pytest.fixture
def client(cluster: Cluster, fakekube: FakeKube) -> Any:
    client = services.clusters.kube_client(cluster)
    client.apply(kinds.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    return client
