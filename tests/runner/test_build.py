"""What goes into the runner image."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from runner.build import HERE, build_entrypoint, build_scoring, digest, image_files

NEWER = {"removeprefix", "removesuffix", "pairwise", "batched", "hardlink_to", "is_relative_to", "file_digest"}


def test_its_python_is_that_of_3_8() -> None:
    for path in HERE.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        if path.name == "build.py":
            continue
        assert not NEWER & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}, path
        future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        assert future or path.name in {"__init__.py", "__main__.py"}, path


def test_it_imports_nothing_but_the_standard_library() -> None:
    for path in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in {*sys.stdlib_module_names, "runner", "__future__"}, (path, name)


def test_the_image_has_all_that_it_runs_and_not_what_builds_it(entrypoint: Path, tmp_path: Path) -> None:
    scoring = build_scoring(tmp_path)
    files = image_files(entrypoint, scoring)
    assert files["runner/bin/entrypoint"] == entrypoint
    assert files["runner/bin/scoring.pyz"] == scoring
    assert {"runner/__main__.py", "runner/prepare.py", "runner/serve.py", "runner/probe.py"} <= set(files)
    assert "runner/build.py" not in files


def test_the_image_works_from_its_own_folder(entrypoint: Path, tmp_path: Path) -> None:
    for name, source in image_files(entrypoint, build_scoring(tmp_path / "cache")).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(source.read_bytes())
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "runner", "probe", "--url", "http://127.0.0.1:9", "--timeout", "1"]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
    assert '"reached": false' in done.stdout


def test_the_entrypoint_is_one_static_file_and_built_once(entrypoint: Path, tmp_path: Path) -> None:
    assert subprocess.run(["ldd", str(entrypoint)], capture_output=True, check=False).returncode != 0
    made = entrypoint.stat().st_mtime_ns
    assert build_entrypoint(entrypoint.parents[2]) == entrypoint
    assert entrypoint.stat().st_mtime_ns == made
    assert len(digest()) == 64
