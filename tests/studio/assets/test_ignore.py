import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.assets.ignore import Ignore, IgnoreRefused, parse


def kept(files: dict[str, str], *paths: str) -> list[str]:
    contents = {path: text.encode() for path, text in files.items()}
    rules = Ignore(contents.get)
    return [path for path in paths if not rules.file(path)]


def test_the_repository_is_always_left_out_even_when_asked_for() -> None:
    assert kept({".gitignore": "!.git\n"}, ".git/config", "sub/.git/x", ".gitmodules", "a") == [".gitmodules", "a"]


def test_an_amlignore_is_read_instead_of_the_gitignore_beside_it_and_below() -> None:
    files = {".amlignore": "*.csv\n", ".gitignore": "*.py\n", "sub/.gitignore": "*.txt\n"}
    assert kept(files, "a.csv", "a.py", "sub/b.txt") == ["a.py", "sub/b.txt"]


def test_an_amlignore_further_down_adds_to_the_gitignore_above() -> None:
    files = {".gitignore": "*.log\n", "sub/.amlignore": "*.csv\n!keep.log\n", "sub/.gitignore": "*.py\n"}
    assert kept(files, "a.log", "sub/a.log", "sub/keep.log", "sub/a.csv", "sub/a.py") == ["sub/keep.log", "sub/a.py"]


def test_nothing_below_an_ignored_folder_comes_back() -> None:
    assert kept({".gitignore": "build/\n!build/keep\n"}, "build/keep", "src/build/x") == []
    assert kept({".gitignore": "build/*\n!build/keep\n"}, "build/keep", "build/x") == ["build/keep"]


def test_patterns_with_a_slash_hold_from_their_own_folder() -> None:
    files = {".gitignore": "/top\na/b\n", "sub/.gitignore": "/inner\n"}
    assert kept(files, "top", "sub/top", "a/b", "sub/a/b", "sub/inner", "sub/x/inner") == [
        "sub/top",
        "sub/a/b",
        "sub/x/inner",
    ]


def test_lines_that_mean_nothing_are_skipped() -> None:
    assert kept({".gitignore": "# note\n\n!\n*.log\n"}, "a.log", "b") == ["b"]


def test_patterns_that_would_take_for_ever_are_refused() -> None:
    with pytest.raises(IgnoreRefused) as error:
        parse(b"ok\n*a*a*a*a*a*b\n", ".gitignore")
    assert error.value.text == ".gitignore, line 2: more than 4 stars in one pattern."
    with pytest.raises(IgnoreRefused):
        parse(b"x\n" * 200_000, ".gitignore")
    parse(b"**/node_modules/**\n**/*-checkpoint*.ipynb\n*.py[cod]\n", ".gitignore")


def test_many_costly_patterns_are_stopped_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.assets.ignore.SECONDS", 0.2)
    costly = "\n".join(f"*a*a*a*{letter}" for letter in "bcdefghijklmnopqrstuvwxyz" * 40)
    with pytest.raises(IgnoreRefused) as error:
        kept({".gitignore": costly}, "a" * 200 + "0")
    assert "longer than" in error.value.text


PATTERNS = st.sampled_from(
    [
        "*.log",
        "/a",
        "a/",
        "b/*",
        "!b/keep",
        "**/c",
        "a/**",
        "a/**/c",
        "[ab]",
        "!*.log",
        "!a/x.log",
        "a/*",
        "a",
        "!a",
        "**/a/**",
        "!/a/b/",
        "*/",
        "\\#x",
        "d ",
        "?",
        "!a/",
        "/*",
        "*",
        "!b",
        "**",
    ]
)
PATHS = [
    "a",
    "b",
    "x.log",
    "a/x.log",
    "b/keep",
    "b/other",
    "c",
    "a/c",
    "a/b/c",
    "d",
    "e/a/c",
    "e/x.log",
    "#x",
    "e/b/keep",
]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@settings(max_examples=40, deadline=None)
@given(st.lists(PATTERNS, max_size=5), st.lists(PATTERNS, max_size=3))
def test_patterns_mean_what_they_mean_to_git(top: list[str], below: list[str]) -> None:
    files = {".gitignore": "\n".join(top) + "\n", "e/.gitignore": "\n".join(below) + "\n"}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run(["git", "init", "-q", root], check=True)
        for path, text in files.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(text)
        # `check-ignore` judges names that are not there too, so that `a` may be tried as a file and as a folder.
        command = ["git", "-C", root, "-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "--stdin"]
        asked = subprocess.run(command, input="\n".join(PATHS), capture_output=True, text=True)
        ignored = {line.strip('"') for line in asked.stdout.splitlines()}
    assert kept(files, *PATHS) == [path for path in PATHS if path not in ignored]
