"""The checks of `make lint` and `make audit` find what they are for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SETUP = Path(__file__).resolve().parent.parent / "setup"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"setup_{name}", SETUP / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


find_secrets, licences, audit = loaded("find_secrets"), loaded("licences"), loaded("audit")

# In parts, so as not to be found here.
PLANTED = {
    "AKIA" + "IOSFODNN7EXAMPLE": "AWS Access Key",
    "ghp_" + "a1B2" * 9: "GitHub Token",
    "-----BEGIN EC PRIVATE KEY-----\n" + "MHcCAQEE" * 8: "Private key",
    "mrg_0a1b2c3d_" + "x" * 43: "Token of a studio",
}


@pytest.mark.parametrize("secret", PLANTED)
def test_a_secret_is_found_with_its_line_and_kind_and_not_shown(secret: str) -> None:
    text = f"one\nkey = '{secret}'\nthree"
    assert find_secrets.found_in(text, find_secrets.patterns()) == [(2, PLANTED[secret])]


def test_one_that_is_meant_says_so_and_plain_text_is_none() -> None:
    meant = f"key = '{next(iter(PLANTED))}'  # {find_secrets.MEANT}"
    for text in (meant, "password: hunter2\nhttps://user:password@host\nmrg_00000000_x\n-----BEGIN PRIVATE KEY-----\n…"):
        assert find_secrets.found_in(text, find_secrets.patterns()) == []


@pytest.mark.parametrize(
    ("licence", "ships", "may"),
    [
        ("MIT", True, True), ("Apache-2.0 AND MIT", True, True), ("GPL-3.0-or-later OR MIT", True, True), ("(MIT OR GPL-2.0-only)", True, True),
        ("GPL-3.0-or-later", False, True), ("GPL-3.0-or-later", True, False), ("AGPL-3.0-only", False, False), ("MIT AND AGPL-3.0-only", False, False),
        ("Other/Proprietary License", False, False), ("", False, False), ("SEE LICENSE IN LICENSE.txt", False, False), ("UNLICENSED", False, False),
    ],
)  # fmt: skip
def test_a_licence_may_be_used_or_not(licence: str, ships: bool, may: bool) -> None:
    assert (licences.refused([("it", licence, ships)]) == []) is may


def test_the_licences_of_what_is_installed_are_known_and_may_be_used() -> None:
    packages = [*licences.python_packages(), *licences.page_packages()]
    assert len(packages) > 150 and {"django", "htmx.org"} <= {name for name, _, ships in packages if ships}
    assert licences.refused(packages) == []


def test_a_finding_of_the_audit_fails_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}]}
    monkeypatch.setattr(audit, "asked", lambda requirements, *more: [bad])
    assert audit.main() == 1
    assert "jinja2 2.10: PYSEC-2019-217, mended in 2.10.1" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [None, [], [{"name": "jinja2", "skip_reason": "not found"}]])
def test_an_audit_that_reached_nobody_says_so_and_no_more(answer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(audit, "asked", lambda requirements, *more: answer)
    assert audit.main() == 0
    assert capsys.readouterr().out.startswith("not reachable")


def test_an_audit_that_finds_nothing_says_what_it_could_not_ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    known = [{"name": "jinja2", "version": "2.10", "vulns": [{"id": "X", "fix_versions": []}]}]
    rest = [{"name": "ours", "skip_reason": "not found"}, {"name": "django", "version": "5", "vulns": []}]
    monkeypatch.setattr(audit, "asked", lambda requirements, *more: known if "--no-deps" in more else rest)
    assert audit.main() == 0
    assert capsys.readouterr().out == "no vulnerability is known\nnot asked: ours, ours\n"
