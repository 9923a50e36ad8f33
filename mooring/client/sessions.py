"""Where the person is signed in with a browser, and second factors: one's own, and those that are lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooring.client.models import BrowserSession
from mooring.client.transport import Transport, segment
from mooring.client.workspaces import listed


class Sessions:
    """The person's sessions in browsers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[BrowserSession]:
        """Return all of them, the last used first."""
        return [BrowserSession.of(one) for one in listed(self._transport, "me/sessions")]

    def end(self, id: int) -> None:
        """End one."""
        self._transport.json("DELETE", f"me/sessions/{segment(str(id))}")

    def end_all(self) -> int:
        """End all; return how many."""
        return int(self._transport.json("DELETE", "me/sessions")["ended"])

    def reset_second_factor(self, username: str) -> None:
        """Take away a person's second factors and end their sessions; for administrators."""
        self._transport.json("DELETE", f"users/{segment(username)}/second-factor")


class SecondFactor:
    """The person's own second factors; what changes them takes the person's password. Security keys are added on the page."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> Mapping[str, Any]:
        """Return `factors` with `id` and `kind`, whether one is `needed`, and `recovery_codes_left`."""
        return dict(self._transport.json("GET", "me/second-factor"))

    def begin_app(self, password: str) -> Mapping[str, Any]:
        """Begin an authenticator app: `secret` and `address` are for the app, `begun` is for `confirm_app` within ten minutes."""
        return dict(self._transport.json("PUT", "me/second-factor/app/begun", json={"password": password}))

    def confirm_app(self, begun: str, code: str) -> Mapping[str, Any]:
        """Add the app that was begun with a code that it makes; `recovery_codes` are in this answer alone."""
        return dict(self._transport.json("PUT", "me/second-factor/app", json={"begun": begun, "code": code}))

    def new_codes(self, password: str) -> list[str]:
        """Return new recovery codes, shown this once; the old ones open nothing any more."""
        return list(self._transport.json("PUT", "me/second-factor/recovery-codes", json={"password": password})["recovery_codes"])

    def remove(self, id: int, password: str) -> None:
        """Take one away; with the last one the recovery codes go."""
        self._transport.json("PUT", f"me/second-factor/{segment(str(id))}/removed", json={"password": password})
