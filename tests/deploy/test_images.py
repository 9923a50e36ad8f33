"""The recipes of the studio's images: what they name is there, and the sandbox makes the same from them."""

from __future__ import annotations

import re

import pytest

from sandbox import versions
from sandbox.images import dockerfile, studio_image
from tests.studio_process import ROOT

NAMES = ("studio", "redis", "postgresql")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_runs_as_nobody_in_particular_on_a_base_of_ones_choice(name: str) -> None:
    text = (dockerfile.FOLDER / name / "Dockerfile").read_text(encoding="utf-8")
    file = dockerfile.read(name)
    assert file.config.user == "1000:1000" and file.config.command
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE)[0] == "${BASE}"
    # Neither of a registry of images nor of one of packages: whoever builds has their own.
    assert not re.search(r"\b[a-z0-9-]+\.(io|com|org|dev)/", text), "an address of a registry"


def test_all_that_is_copied_is_in_the_checkout_or_made_there() -> None:
    for one in dockerfile.read("studio").copied:
        if not one.built:
            assert (ROOT / one.source).exists(), one.source
    built = {one.source for one in dockerfile.read("studio").copied if one.built}
    assert built == {studio_image.PACKAGES, studio_image.HELM, "/src/static/collected", "/src/.mooring/docs"}


def test_nothing_that_was_made_in_a_checkout_reaches_the_build() -> None:
    made = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    ignored = (dockerfile.FOLDER / "studio" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert made - {line.removeprefix("**/") for line in ignored} == set()


def test_all_that_the_studio_imports_of_the_checkout_is_copied() -> None:
    copied = {one.target for one in dockerfile.read("studio").copied}
    assert {f"/opt/mooring/{name}" for name in ("studio", "compute", "jobs", "endpoints", "mooring", "templates", "manage.py")} <= copied
    for package in ("studio", "compute", "jobs", "endpoints", "mooring"):
        for path in (ROOT / package).rglob("*.py"):
            assert not re.search(r"^\s*(from|import) (sandbox|runner|tests|setup|benchmarks)\b", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_the_chart_of_the_extension_lies_where_the_studio_looks_for_it() -> None:
    from compute.extension.chart import OWN

    assert f"/opt/mooring/{OWN.relative_to(ROOT).as_posix()}" in {one.target for one in dockerfile.read("studio").copied}


def test_its_packages_are_what_the_studio_asks_for_in_the_versions_that_are_tested() -> None:
    kept = dict(PIN.findall((ROOT / "requirements" / "studio.lock").read_text(encoding="utf-8")))
    tested = dict(PIN.findall((ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")))
    assert {name: version for name, version in kept.items() if tested.get(name) != version} == {}
    assert {"django", "celery", "kubernetes", "uvicorn", "psycopg", "psycopg-binary"} <= set(kept)
    assert not {"pytest", "playwright", "mkdocs", "ruff", "mypy"} & set(kept), "what only developers need"


def test_no_package_depends_on_which_python_fetches_them() -> None:
    # Debian's Python may be older by a patch than the one that reads the lock here.
    assert " ; " not in (ROOT / "requirements" / "studio.lock").read_text(encoding="utf-8")


def test_its_helm_is_the_one_that_the_tests_install_the_extension_with() -> None:
    assert dockerfile.read("studio").arguments["HELM_VERSION"] == versions.HELM
