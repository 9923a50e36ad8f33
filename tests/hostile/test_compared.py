"""No secret is compared in a way whose time tells how much of it was right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import ROOT

SECRETS = {"token", "secret", "password", "primary_key", "secondary_key", "clear", "METRICS_TOKEN"}
HEADERS = {"Authorization", "X-Mooring-Token", "X-CSRFToken"}
MEANT = {"compute/network/applying.py"}  # the metadata of an object of the kind Secret


def compared(tree: ast.AST) -> Iterator[ast.Compare]:
    """Yield comparisons by `==` and `!=` of two things one of which is named like a secret."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if not any(isinstance(side, ast.Constant) for side in sides) and any(_names(side) & SECRETS for side in sides):
            yield node


def _names(side: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(side):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and node.value in HEADERS:
            found.add("token")
    return found


def test_every_comparison_of_a_secret_takes_as_long_whatever_is_right_of_it() -> None:
    wrong = []
    for folder in ("studio", "compute", "jobs", "endpoints", "runner"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            text = path.read_text(encoding="utf-8")
            if name not in MEANT and any(word in text.lower() for word in SECRETS):
                wrong += [f"{name}:{node.lineno}: {ast.unparse(node)}" for node in compared(ast.parse(text))]
    assert wrong == []


def test_such_a_comparison_would_be_found() -> None:
    for text in ("given == job.token", "request.headers.get('X-Mooring-Token') != self._token_of(x)", "row.primary_key == key"):
        assert list(compared(ast.parse(text))), text
    assert not list(compared(ast.parse("token == ''; kind == other")))


def test_where_secrets_are_compared_it_is_done_by_what_was_made_for_it() -> None:
    places = ["studio/accounts/models.py", "studio/people/invitations.py", "studio/core/health.py", "jobs/runner_api.py", "endpoints/runner_api.py",
              "runner/web.py"]  # fmt: skip
    for place in places:
        text = Path(ROOT / place).read_text(encoding="utf-8")
        # The runner's own: its images may have Python without `hmac`.
        assert any(word in text for word in ("compare_digest(", "constant_time_compare(", "not same(")), place
