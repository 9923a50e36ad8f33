"""The zip: what it is made of, and how it comes into the pod."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runner.build import HERE, SCORING, build_scoring
from runner.errors import RunnerError
from runner.layout import Layout
from runner.prepare import copy_scoring, make_folders
from runner.scoring.ending import CODES

# Methods of values whose type nobody can tell from the source: vermin does not see them.
NEWER = {"removeprefix", "removesuffix", "is_relative_to", "hardlink_to", "readlink", "bit_count", "with_stem"}
DOCUMENT = HERE.parent / "docs/contributors/scoring.md"


def newest_needed(*files: Path) -> subprocess.CompletedProcess[str]:
    """Ask vermin whether 3.8 has all of the language and of the standard library that these files use: 1 when not."""
    vermin = str(Path(sys.executable).with_name("vermin"))
    command = [vermin, "--no-config-file", "--no-tips", "--target=3.8-", "--eval-annotations", "-vvv", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_its_python_is_that_of_3_8() -> None:
    found = newest_needed(*SCORING.glob("*.py"))
    assert found.returncode == 0, found.stdout
    for path in SCORING.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        assert not NEWER & {node.attr for node in nodes if isinstance(node, ast.Attribute)}, path
        # `int | None` in an annotation is only of 3.8 where annotations are not evaluated.
        assert "from __future__ import annotations" in path.read_text() or not any(annotations(node) for node in nodes), path


def annotations(node: ast.AST) -> list[ast.AST]:
    found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [one for one in found if one is not None]


@pytest.mark.parametrize(
    "newer",
    [
        "import functools\n@functools.cache\ndef f(): pass",
        "import hashlib\nhashlib.file_digest(open('x', 'rb'), 'md5')",
        "import socket\nsocket.create_server(('', 0))\nprint(dict[int, str])",
        "with (open('a') as a, open('b') as b): pass",
        "match 1:\n    case 1: pass",
        "def f(x: list[int]): pass",
    ],
)
def test_what_3_8_does_not_have_would_be_found(newer: str, tmp_path: Path) -> None:
    (tmp_path / "newer.py").write_text(newer + "\n")
    found = newest_needed(tmp_path / "newer.py")
    assert found.returncode == 1 and "Target versions not met" in found.stdout, found.stdout + found.stderr


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
