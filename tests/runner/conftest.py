from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.build import build_entrypoint
from tests.runner.pod import Pod
from tests.runner.studio_side import StudioSide


@pytest.fixture(scope="session")
def entrypoint() -> Path:
    """Build the entrypoint once for all tests, and only when its sources have changed."""
    return build_entrypoint(Path(os.environ.get("MOORING_CACHE") or "~/.cache/mooring").expanduser())


@pytest.fixture
def studio() -> Iterator[StudioSide]:
    made = StudioSide()
    yield made
    made.close()


@pytest.fixture
def pod(tmp_path: Path, studio: StudioSide, entrypoint: Path) -> Iterator[Pod]:
    made = Pod(tmp_path, studio, entrypoint)
    yield made
    made.close()
