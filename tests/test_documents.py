"""What the documents say is so: problems and their pages, commands, settings, links; and nothing of one machine is in them."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest
import typer

from mooring.cli.app import app
from studio.core.problems import CATALOGUE, WHO

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "problems"
SOURCES = ("studio", "compute", "jobs", "mooring", "sandbox", "setup")
VARIABLE = re.compile(r"""["'](MOORING_[A-Z_]+|DATABASE_URL|REDIS_URL|KUBECONFIG|RUN_ONCE)["']""")
# Whoever fetches packages does it by name, through a client that knows where from. In parts, so as not to name them here.
REGISTRIES = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("npmjs", "org"), ("proxy", "golang", "org"),
                  ("sum", "golang", "org"), ("deb", "debian", "org"), ("security", "debian", "org"), ("registry", "yarnpkg"))
]  # fmt: skip
HERE = re.compile(r"(?<![\w./}-])/(?:work|root)/(?!\.cache/)[\w.-]+")


def tracked(*suffixes: str) -> list[Path]:
    """Return the files under version control, of some suffixes or all."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    found = [ROOT / name for name in listed if name and (not suffixes or name.endswith(suffixes))]
    return [path for path in found if path.is_file()]


def text_of(path: Path) -> str:
    """Return a file's text; nothing for what is none."""
    content = path.read_bytes()
    return "" if b"\0" in content[:8000] else content.decode("utf-8", errors="replace")


@pytest.fixture(scope="module")
def catalogue() -> set[str]:
    """Return the ids of all problems, with every app's own loaded."""
    for module in ("studio.urls", "compute.problems", "jobs.problems", "studio.assets.problems"):
        importlib.import_module(module)
    return set(CATALOGUE)


def test_every_problem_has_its_page(catalogue: set[str]) -> None:
    assert catalogue - {path.stem for path in PAGES.glob("*.md")} == set()


def test_every_page_has_its_problem(catalogue: set[str]) -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - catalogue == set()


def test_a_problems_page_has_its_title_its_id_and_what_to_do(catalogue: set[str]) -> None:
    for id in sorted(catalogue):
        page = (PAGES / f"{id}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {CATALOGUE[id].title}\n\n`{id}`\n"), f"{id}: another title than the catalogue's"
        assert "**What to do.**" in page, id
        assert len(re.findall(r"[.!?](?:\s|$)", page)) >= 2, f"{id}: say more"
        who = f"**Who can do it.** {WHO[CATALOGUE[id].who]}"
        assert page.endswith(f"\n\n{who}\n"), f"docs/problems/{id}.md: end it with the line: {who}"


def test_every_place_that_raises_a_problem_names_one_of_the_catalogue(catalogue: set[str]) -> None:
    unknown = []
    for path in tracked(".py"):
        if path.relative_to(ROOT).parts[0] not in ("studio", "compute", "jobs", "endpoints"):
            continue
        for node in ast.walk(ast.parse(text_of(path))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ProblemError" and node.args:
                ids = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                unknown += [f"{path.relative_to(ROOT)}:{node.lineno}: {id}" for id in ids if isinstance(node.args[0], ast.Constant) and id not in catalogue]
    assert unknown == []


def test_what_the_client_tells_of_by_itself_is_in_the_catalogue_with_its_title(catalogue: set[str]) -> None:
    wrong = []
    for path in tracked(".py"):
        if path.relative_to(ROOT).parts[0] != "mooring":
            continue
        for node in ast.walk(ast.parse(text_of(path))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("MooringError", "MooringProblem", "ConnectionLost"):
                match node.args:
                    case [ast.Constant(value=id), ast.Constant(value=title), *_] if id not in catalogue or CATALOGUE[id].title != title:
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {id}: {title}")
    assert wrong == []


def test_every_problem_of_the_catalogue_is_raised_somewhere(catalogue: set[str]) -> None:
    # Those of the client and of the scoring server come by another name than their own.
    sources = [path for path in tracked(".py", ".html") if path.relative_to(ROOT).parts[0] != "tests"]
    sources = [path for path in sources if not path.name.endswith("problems.py") or "spec" in path.parts]
    named = {id for path in sources for id in re.findall(r"[\"']([a-z][a-z0-9-]+)[\"']", text_of(path))}
    assert catalogue - named == set(), "nothing raises them any more"


def test_every_make_target_in_the_documents_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for path in tracked(".md"):
        named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, f"{path.relative_to(ROOT)} names {named - targets}"


def test_every_variable_that_is_read_is_in_the_settings() -> None:
    page = (ROOT / "docs" / "operators" / "settings.md").read_text(encoding="utf-8")
    read = {name for folder in SOURCES for path in (ROOT / folder).rglob("*.py") for name in VARIABLE.findall(text_of(path))}
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", page))
    assert read - documented == set()


def test_every_link_between_documents_leads_somewhere() -> None:
    for path in tracked(".md"):
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                assert (path.parent / link).exists(), f"{path.relative_to(ROOT)} links to {link}"


def test_no_address_of_a_registry_and_no_place_of_one_machine_is_kept() -> None:
    found = []
    for path in tracked():
        text = text_of(path)
        found += [f"{path.relative_to(ROOT)}: {name}" for name in REGISTRIES if name in text]
        found += [f"{path.relative_to(ROOT)}: {place}" for place in HERE.findall(text)]
    assert found == []


def test_every_proof_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(tests/[^`]+)`", page):
        assert (ROOT / name).exists(), name


def test_every_promise_of_security_names_a_test_that_exists() -> None:
    promised = (ROOT / "SECURITY.md").read_text(encoding="utf-8").split("## What is promised", 1)[1].split("\n## ", 1)[0]
    rows = [row for row in promised.splitlines() if row.startswith("| ") and not row.startswith(("| ---", "| promise |"))]
    assert len(rows) > 15
    for row in rows:
        tests = re.findall(r"`(tests/[^`:]+)::(test_\w+)`", row)
        assert tests, f"nothing holds: {row}"
        for file, name in tests:
            assert re.search(rf"^(async )?def {name}\(", text_of(ROOT / file), re.MULTILINE), f"{file}::{name}"


def test_every_document_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md", ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            if not re.match(r"[a-z]+:", link) and target.exists():
                waiting += [target] if target.is_file() else [*target.glob("*.md")]
    assert {path for path in tracked(".md") if "docs" in path.relative_to(ROOT).parts} - seen == set()


def test_the_readmes_commands_are_commands() -> None:
    groups = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for group, verb in re.findall(r"^mooring ([a-z]+) ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert verb in groups[group].commands, f"mooring {group} {verb}"


def test_every_picture_is_in_a_page_and_small() -> None:
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").glob("*.png")}
    pages = "".join(text_of(path) for path in tracked(".md"))
    assert [name for name in pictures if f"images/{name})" not in pages] == []
    assert [name for name, size in pictures.items() if size > 200_000] == []
