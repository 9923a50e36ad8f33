"""The zip: what it is made of, and how it comes into the pod."""

from __future__ import annotations

import ast
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

from runner.build import HERE, SCORING, build_scoring
from runner.errors import RunnerError
from runner.layout import Layout
from runner.prepare import copy_scoring, make_folders
from runner.scoring.ending import CODES

NEWER = {"removeprefix", "removesuffix", "pairwise", "batched", "file_digest", "is_relative_to", "to_thread", "cache"}
DOCUMENT = HERE.parent / "docs/contributors/scoring.md"


def test_its_python_is_that_of_3_8() -> None:
    for path in SCORING.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        assert not NEWER & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}, path
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Match), path


def test_what_is_evaluated_at_run_time_is_known_to_3_8() -> None:
    """`list[int]` and `int | None` outside of annotations would break there, and annotations of named tuples are evaluated."""
    for path in SCORING.glob("*.py"):
        tree = ast.parse(path.read_text())
        lazy = {id(below) for node in ast.walk(tree) for part in annotations(node) for below in ast.walk(part)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and id(node) not in lazy:
                assert node.value.id not in {"list", "dict", "tuple", "set", "type", "frozenset"}, (path, node.lineno)


def annotations(node: ast.AST) -> list[ast.AST]:
    found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [one for one in found if one is not None]


def test_it_imports_nothing_but_the_standard_library() -> None:
    for path in SCORING.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level or (node.module or "").split(".")[0] in sys.stdlib_module_names | {"__future__"}, path
            for name in names:
                assert name.split(".")[0] in sys.stdlib_module_names, (path, name)


def test_it_is_the_same_file_whenever_it_is_built(tmp_path: Path) -> None:
    first, second = build_scoring(tmp_path / "a"), build_scoring(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.parent.name == second.parent.name
    assert os.access(first, os.X_OK)
    names = zipfile.ZipFile(first).namelist()
    assert "__main__.py" in names
    assert all(name == "__main__.py" or name.startswith("mooring_scoring/") for name in names)
    assert first.stat().st_size < 100_000


def test_prepare_lays_it_where_the_pod_finds_it(tmp_path: Path, pyz: Path) -> None:
    volume = Layout(str(tmp_path))
    make_folders(volume)
    with pytest.raises(RunnerError, match="not whole"):
        copy_scoring(volume)
    os.environ["MOORING_SCORING_FILE"] = str(pyz)
    try:
        copy_scoring(volume)
    finally:
        del os.environ["MOORING_SCORING_FILE"]
    assert (tmp_path / "bin/scoring.pyz").read_bytes() == pyz.read_bytes()
    assert os.access(tmp_path / "bin/scoring.pyz", os.X_OK)


def test_every_setting_and_every_end_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    source = (SCORING / "settings.py").read_text()
    for name in re.findall(r'(?:ours|seconds)\("([A-Z_]+)"', source):
        assert f"| `MOORING_SCORING_{name}` |" in text, name
    for id, code in CODES.items():
        assert f"| `{id}` | {code} |" in text, id


def test_every_answer_of_its_own_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    for path in SCORING.glob("*.py"):
        for id in re.findall(
            r'"((?:request|run|queue|worker|result|route|method|too|not|transfer|http|expectation|ending)-?[a-z-]*)",', path.read_text()
        ):
            if "-" in id and not id.startswith("x-") and id not in {"transfer-encoding"}:
                assert f"`{id}`" in text, (path.name, id)
