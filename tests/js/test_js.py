"""The scripts of the pages, tested by Node's own runner; and that both sides use the same words."""

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from studio.core import numbers
from studio.core.templatetags.mooring import _relative

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORDS: dict[str, list[tuple[float, str]]] = json.loads((HERE / "words.json").read_text())


def _build() -> Any:
    spec = importlib.util.spec_from_file_location("static_build", ROOT / "static" / "build.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_the_pages_scripts_do_what_they_say(file: Path) -> None:
    node = _build()._node()
    assert node, "there is no Node to run the pages' scripts with"
    ran = subprocess.run(
        [*node, "--test", str(file)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_server_and_the_page_use_the_same_words() -> None:
    assert [numbers.duration(seconds) for seconds, _ in WORDS["duration"]] == [text for _, text in WORDS["duration"]]
    assert [numbers.filesize(size) for size, _ in WORDS["filesize"]] == [text for _, text in WORDS["filesize"]]
    assert [_relative(seconds) for seconds, _ in WORDS["ago"]] == [text for _, text in WORDS["ago"]]
