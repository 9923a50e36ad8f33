from __future__ import annotations

import sys

import pytest

from sandbox.errors import SandboxError
from sandbox.shell import direct_env, run


def test_the_clusters_own_addresses_never_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.delenv("no_proxy", raising=False)
    env = direct_env()
    assert env["NO_PROXY"].startswith("intranet.example,localhost,")
    assert "10.0.0.0/8" in env["no_proxy"].split(",")


def test_a_program_that_fails_is_told_with_the_end_of_what_it_said() -> None:
    argv = [sys.executable, "-c", "import sys; print('no space left', file=sys.stderr); sys.exit(4)"]
    with pytest.raises(SandboxError, match="ended with code 4") as caught:
        run(argv, part="images", todo="Make room.")
    assert caught.value.log == ["no space left"]
    assert caught.value.todo == "Make room."


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(SandboxError, match="no-such-program is not on this machine"):
        run(["no-such-program"], part="images", todo="Install it.")
