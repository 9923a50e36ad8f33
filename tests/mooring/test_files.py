"""What of a folder is sent, and what of a job's YAML is taken for a place on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import MooringError
from mooring.files import files_of
from mooring.jobfile import find_local, local_path, read_job_file
from studio.assets.ignore import Ignore


def a_folder(root: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def sent(root: Path) -> list[str]:
    return [file.path for file in files_of(root)]


def test_files_come_sorted_hashed_and_with_their_mode(tmp_path: Path) -> None:
    a_folder(tmp_path, {"b.sh": "#!/bin/sh\n", "a/x.txt": "x"})
    (tmp_path / "b.sh").chmod(0o700)
    first, second = files_of(tmp_path)
    assert (first.path, first.size, first.mode) == ("a/x.txt", 1, 0o644)
    assert first.digest == "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert (second.path, second.mode) == ("b.sh", 0o755)


def test_one_file_is_a_tree_of_one(tmp_path: Path) -> None:
    a_folder(tmp_path, {"iris.csv": "1", ".gitignore": "*.csv"})
    assert sent(tmp_path / "iris.csv") == ["iris.csv"]


def test_git_itself_is_never_sent(tmp_path: Path) -> None:
    a_folder(tmp_path, {".git/config": "", "sub/.git": "gitdir: elsewhere", "a.py": "", ".github/x.yml": ""})
    assert sent(tmp_path) == [".github/x.yml", "a.py"]


def test_ignored_files_are_left_out_as_git_would(tmp_path: Path) -> None:
    files = {".gitignore": "*.log\n!keep.log\n/build/\ndata/**/raw\n", "x.log": "", "keep.log": "", "build/a": ""}
    files |= {"sub/build/a": "", "data/1/raw/a": "", "data/1/b": "", "sub/.gitignore": "!x.log", "sub/x.log": ""}
    a_folder(tmp_path, files)
    assert sent(tmp_path) == [".gitignore", "data/1/b", "keep.log", "sub/.gitignore", "sub/build/a", "sub/x.log"]


def test_amlignore_stands_in_for_gitignore(tmp_path: Path) -> None:
    a_folder(tmp_path, {".gitignore": "*.csv", ".amlignore": "*.tmp", "a.csv": "", "a.tmp": "", "sub/.gitignore": "b"})
    a_folder(tmp_path, {"sub/b": ""})
    assert sent(tmp_path) == [".amlignore", ".gitignore", "a.csv", "sub/.gitignore", "sub/b"]


def test_what_is_ignored_is_not_opened(tmp_path: Path) -> None:
    a_folder(tmp_path, {".gitignore": "cache\n", "cache/x": ""})
    (tmp_path / "cache" / "out").symlink_to("/etc/passwd")
    assert sent(tmp_path) == [".gitignore"]


def test_a_link_within_the_folder_is_sent_as_its_content(tmp_path: Path) -> None:
    a_folder(tmp_path, {"real.txt": "abc"})
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert len({file.digest for file in files_of(tmp_path)}) == 1
    assert sent(tmp_path) == ["link.txt", "real.txt"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "nowhere"])
def test_a_link_that_leads_out_or_nowhere_is_refused(tmp_path: Path, target: str) -> None:
    a_folder(tmp_path, {"outside": "secret", "code/a.py": ""})
    (tmp_path / "code" / "link").symlink_to(target)
    with pytest.raises(MooringError) as caught:
        files_of(tmp_path / "code")
    assert caught.value.id == "files-unreadable"
    assert "link" in caught.value.detail


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        with pytest.raises(MooringError, match="not a plain file"):
            files_of(tmp_path)


PIECES = st.sampled_from(["a", "b", "ab", "c.py", "d.tmp", "build"])
PATTERNS = st.lists(
    st.builds(
        lambda negated, rooted, parts, folder: negated + rooted + "/".join(parts) + folder,
        st.sampled_from(["", "", "!"]),
        st.sampled_from(["", "", "/"]),
        st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "*.tmp", "build", "?", "[ab]"]), min_size=1, max_size=3),
        st.sampled_from(["", "", "/"]),
    ),
    max_size=4,
)


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git on this machine")
@settings(max_examples=40, deadline=None)
@given(
    paths=st.sets(st.lists(PIECES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=10),
    rules=st.dictionaries(st.sampled_from(["", "a/", "build/"]), PATTERNS),
)
def test_it_leaves_out_what_git_itself_leaves_out(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str], rules: dict[str, list[str]]
) -> None:
    root = tmp_path_factory.mktemp("folder")
    for path in sorted(paths, key=len, reverse=True):
        if not (root / path).exists() and not any((root / above).is_file() for above in Path(path).parents):
            a_folder(root, {path: ""})
    for folder, lines in rules.items():
        if not (root / folder).exists() or (root / folder).is_dir():
            a_folder(root, {f"{folder}.gitignore": "\n".join(lines)})
    subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)
    alone = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(root), "ls-files", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True, env=alone).stdout.decode().split("\0")
    assert sent(root) == sorted(filter(None, listed))


@pytest.mark.parametrize(
    "rules",
    [
        {".gitignore": "*.log\n!keep/\n/a\n"},
        {".gitignore": "*.log", ".amlignore": "b/"},
        {".amlignore": "*.log", "a/.gitignore": "x"},
        {".gitignore": "*\n!a/\n!x", "b/.amlignore": "!x.log"},
    ],
)
def test_the_studio_leaves_out_the_same(tmp_path: Path, rules: dict[str, str]) -> None:
    files = [f"{folder}{name}" for folder in ("", "a/", "b/", "keep/", "a/b/") for name in ("x", "x.log")]
    a_folder(tmp_path, dict.fromkeys(files, "") | rules)
    ignore = Ignore(lambda path: (tmp_path / path).read_bytes() if (tmp_path / path).is_file() else None)
    everything = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sent(tmp_path) == sorted(path for path in everything if not ignore.file(path))


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        ("src", "src"),
        ("./src/../lib", "src/../lib"),
        ("file:./src", "src"),
        ("azureml:code:1", None),
        ("azureml://datastores/x/paths/y", None),
        ("https://example.org/a.csv", None),
        ("wasbs://c@a.blob/x", None),
        ("runs:/1/model", None),
        ("git+https://example.org/x", None),
        ("${{parent.inputs.x}}", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_paths_are_told_from_addresses(given_: object, found: str | None) -> None:
    assert local_path(given_, Path("/w")) == (None if found is None else Path("/w") / found)


def test_absolute_paths_stay_absolute() -> None:
    assert local_path("/srv/iris.csv", Path("/w")) == Path("/srv/iris.csv")


def test_literals_and_shorthands_are_no_files() -> None:
    yaml = "inputs:\n  a: ./looks-like-a-path\n  b: 3\n  c:\n    type: uri_folder\n    path: data\n"
    assert find_local(yaml, Path("/w")).inputs == {"inputs.c": Path("/w/data")}


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "", "inputs: [1]\ncode: {a: 1}\n"])
def test_yaml_of_another_shape_is_left_for_the_studio_to_refuse(text: str) -> None:
    found = find_local(text, Path("/w"))
    assert (found.code, found.inputs) == (None, {})


def test_broken_yaml_is_refused_with_its_place() -> None:
    with pytest.raises(MooringError, match=r"job.yml: it is not YAML at line 2, column 4"):
        find_local("a: 1\nb: ]\n", Path("/w"), source=Path("job.yml"))


@pytest.mark.parametrize("text", ["[" * 5000, "a: !!python/object/apply:os.system ['true']", "&a [*a, *a]\n"])
def test_hostile_yaml_does_nothing(text: str) -> None:
    try:
        find_local(text, Path("/w"))
    except MooringError as error:
        assert error.id == "job-file-unreadable"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * (1024 * 1024 + 1)])
def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "job.yml").write_bytes(content)
    with pytest.raises(MooringError) as caught:
        read_job_file(tmp_path / "job.yml")
    assert caught.value.id == "job-file-unreadable"


@pytest.mark.parametrize("override", ["compute", "=local", "inputs..x=1"])
def test_an_override_without_a_name_or_a_value_is_refused(override: str) -> None:
    with pytest.raises(MooringError, match="NAME=VALUE"):
        find_local("command: true", Path("/w"), [override])
