from collections.abc import Iterator

import pytest

from compute.kube.client import KubeClient
from tests.fakekube import FakeKube, fakekube

__all__ = ["fakekube"]


@pytest.fixture
def client(fakekube: FakeKube) -> Iterator[KubeClient]:
    with KubeClient(fakekube.connection(), timeout=5) as client:
        yield client


@pytest.fixture
def team(fakekube: FakeKube) -> FakeKube:
    fakekube.namespace("team")
    return fakekube
