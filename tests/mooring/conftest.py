"""A studio's stand-in and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mooring.client import Client
from tests.mooring.stand_in import TOKEN, StandIn, serving


@pytest.fixture
def held() -> Iterator[StandIn]:
    """Serve a stand-in of the studio."""
    with serving() as one:
        yield one


@pytest.fixture
def studio(held: StandIn) -> Iterator[Client]:
    """Return a client of the stand-in."""
    with Client(held.url, TOKEN, workspace="demo", patience_seconds=5) as client:
        yield client
