"""The network between this machine and a node of the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import network
from sandbox.errors import SandboxError


def test_an_interface_that_goes_by_itself_meanwhile_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [True, False, False]

    def refused(*given: Any, **named: Any) -> str:
        raise SandboxError("network", "ip ended with code 1.", "")

    monkeypatch.setattr(network, "succeeds", lambda argv: shown.pop(0))
    monkeypatch.setattr(network, "run", refused)
    network._drop("mooring0")
    assert not shown
    shown += [True, True]
    with pytest.raises(SandboxError):
        network._drop("mooring0")
