"""What was kept because it is hostile, or was once taken wrongly, is refused as its name says."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from studio.core.problems import CATALOGUE
from tests.hostile import corpus
from tests.hostile.readers import READERS, TAKEN, bounded, read

KEPT = sorted(path for path in corpus.FOLDER.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", KEPT, ids=[path.relative_to(corpus.FOLDER).as_posix() for path in KEPT])
def test_it_is_refused_as_its_name_says(path: Path) -> None:
    read(path.parent.name, b"")  # whatever is loaded at the first time
    # A bomb is unpacked to where it is known for one, which beside other work of the machine takes longer.
    with bounded(10 if "bomb" in path.name else 2):
        assert read(path.parent.name, path.read_bytes()) == path.name.partition(".")[0]


def test_the_corpus_has_something_for_every_reader_and_names_problems_that_there_are() -> None:
    for module in ("compute.problems", "jobs.problems", "studio.assets.problems"):
        importlib.import_module(module)
    assert {path.parent.name for path in KEPT} == set(READERS)
    assert {path.name.partition(".")[0] for path in KEPT} - {TAKEN} <= set(CATALOGUE)


def test_what_writes_the_corpus_writes_these_files() -> None:
    written = dict(corpus.files(bombs=False))
    assert written.keys() == {path.relative_to(corpus.FOLDER).as_posix() for path in KEPT if "zeros" not in path.name}
    kept = {name: (corpus.FOLDER / name).read_bytes() for name in written if not name.endswith((".zip", ".tar"))}
    assert kept == {name: written[name] for name in kept}
