"""docs/users/cli.md and the command line say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import typer

from mooring.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "users" / "cli.md").read_text(encoding="utf-8")


def own_problems() -> set[str]:
    """Return the ids of all problems that the package itself makes."""
    found = set()
    for source in (ROOT / "mooring").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                named = node.func.id in ("MooringError", "ConnectionLost", "MooringProblem")
                if named and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_problem_of_the_command_is_on_its_page() -> None:
    assert own_problems() - set(re.findall(r"`([a-z-]+)`", PAGE)) == set()


def test_every_command_is_on_its_page() -> None:
    groups = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in groups.items():
        if name == "version":
            continue
        for verb in getattr(command, "commands", {}):
            assert re.search(rf"mooring {name} [a-z|]*\b{verb}\b", PAGE), f"mooring {name} {verb}"
        assert f"mooring {name}" in PAGE
