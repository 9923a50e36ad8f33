from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import debian
from sandbox.console import Console
from sandbox.errors import SandboxError

DEBIAN = """Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: {name} {name}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"""
OTHER = """Types: deb
URIs: http://packages.example/other
Suites: nodistro
Components: main
Signed-By: /usr/share/keyrings/other.gpg"""


@pytest.fixture
def release() -> str:
    if not Path("/etc/os-release").exists() or not debian.is_debian():
        pytest.skip("not a Debian")
    return debian.codename()


def test_images_are_made_from_the_machines_own_release_only(release: str) -> None:
    stanzas = debian._stanzas(DEBIAN.format(name=release) + "\n\n" + OTHER)
    assert [debian._is_ours(stanza) for stanza in stanzas] == [True, False]
    assert "comment" not in stanzas[0]


def test_missing_tools_are_named_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch, console: Console) -> None:
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match="no-such-program") as caught:
        debian.ensure_tools({"no-such-program": "some-package"}, console)
    assert "some-package" in caught.value.todo
