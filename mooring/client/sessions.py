"""Where the person is signed in with a browser, and second factors that are lost."""

from __future__ import annotations

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
