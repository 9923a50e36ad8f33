from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.build import build_scoring
from tests.runner.scoring.server import Server


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_scoring(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def server(pyz: Path, tmp_path: Path) -> Iterator[Server]:
    made = Server(pyz, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def one_server(pyz: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start one server for all tests of a module."""
    made: list[Server] = []

    def start(script: str | None, before: Callable[[Server], None] = lambda server: None, **settings: object) -> Server:
        if not made:
            made.append(Server(pyz, tmp_path_factory.mktemp("server")))
            before(made[0])
            made[0].start(script, **settings)
        return made[0]

    yield start
    for server in made:
        server.close()
