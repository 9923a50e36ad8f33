"""The client for asyncio does what the plain one does, is made from it, and the documents' examples run with either."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mooring
from tests.mooring.stand_in import TOKEN, StandIn

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("print('hello')\n")
    (tmp_path / "job.yml").write_text("command: python train.py\ncode: src\ncompute: local\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_made_from_the_plain_client() -> None:
    spec = importlib.util.spec_from_file_location("async_client", ROOT / "setup" / "async_client.py")
    assert spec and spec.loader
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    for name in maker.modules():
        there = (maker.MADE / f"{name}.py").read_text(encoding="utf-8") if (maker.MADE / f"{name}.py").exists() else ""
        assert there == maker.made(name), f"run python setup/async_client.py: mooring/client/aio/{name}.py is older than what it is made from"


def test_it_has_the_parts_and_verbs_of_the_plain_one() -> None:
    def shape(client: Any) -> dict[str, dict[str, list[str]]]:
        parts = {name: part for name, part in vars(client).items() if not name.startswith("_") and name not in ("transport", "content")}
        return {
            name: {verb: list(inspect.signature(method).parameters) for verb, method in inspect.getmembers(part, inspect.ismethod)}
            for name, part in parts.items()
        }

    plain = mooring.Client("http://127.0.0.1:1", TOKEN)
    assert shape(plain) == shape(mooring.AsyncClient("http://127.0.0.1:1", TOKEN)) != {}


async def test_a_job_is_sent_followed_across_broken_connections_and_fetched(held: StandIn, folder: Path) -> None:
    held.log = b"".join(b"line %d\n" % number for number in range(500))
    held.drop_after += [10, 777]
    held.drop_answers.append("POST /api/v1/workspaces/demo/jobs")
    held.outputs["artifacts", "model.txt"] = b"weights"
    async with mooring.AsyncClient(held.url, TOKEN, workspace="demo", patience_seconds=5) as studio:
        assert (await studio.me()).username == "ada"
        job = await studio.jobs.create("job.yml", overrides=["compute=local"])
        assert b"".join([chunk async for chunk in studio.jobs.stream(job.name)]) == held.log
        (place,) = await studio.jobs.download(job.name, "results")
        assert place.read_bytes() == b"weights"
        assert [one.name for one in await studio.jobs.list(most=5)] == [job.name]
    assert len(held.submitted) == 1 and len(held.blobs) == 1


async def test_a_problem_comes_as_from_the_plain_client(held: StandIn) -> None:
    async with mooring.AsyncClient(held.url, TOKEN, workspace="demo") as studio:
        with pytest.raises(mooring.MooringProblem) as caught:
            await studio.jobs.get("nowhere")
    assert caught.value.status == 404 and caught.value.id == "not-found"


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_the_documents_run(number: int, held: StandIn, folder: Path) -> None:
    held.log = b"hello\n"
    held.outputs["artifacts", "model.txt"] = b"weights"
    page = (ROOT / "docs" / "users" / "cli.md").read_text(encoding="utf-8")
    example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[number].replace("https://studio.example", held.url)
    space: dict[str, Any] = {"token": TOKEN}
    exec(example, space)
    train: Callable[[str], Any] | None = space.get("train")
    if train:
        asyncio.run(train(TOKEN))
    assert len(held.submitted) == 1 and (folder / "results" / "artifacts" / "model.txt").read_bytes() == b"weights"
