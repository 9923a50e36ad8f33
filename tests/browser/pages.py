"""A studio full of everything and without a cluster, for all browser tests of one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.furnished import Pages, furnished

__all__ = ["Pages", "pages"]


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, studio_redis: str) -> Iterator[Pages]:
    """Furnish a database and serve its pages."""
    with furnished(tmp_path_factory.mktemp("pages"), studio_redis) as found:
        yield found
