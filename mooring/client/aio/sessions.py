"""Made by setup/async_client.py from mooring/client/sessions.py: change that one."""

from __future__ import annotations

from mooring.client.aio.transport import Transport, segment
from mooring.client.aio.workspaces import listed
from mooring.client.models import BrowserSession


class Sessions:
    """The person's sessions in browsers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> list[BrowserSession]:
        """Return all of them, the last used first."""
        return [BrowserSession.of(one) async for one in listed(self._transport, "me/sessions")]

    async def end(self, id: int) -> None:
        """End one."""
        await self._transport.json("DELETE", f"me/sessions/{segment(str(id))}")

    async def end_all(self) -> int:
        """End all; return how many."""
        return int((await self._transport.json("DELETE", "me/sessions"))["ended"])

    async def reset_second_factor(self, username: str) -> None:
        """Take away a person's second factors and end their sessions; for administrators."""
        await self._transport.json("DELETE", f"users/{segment(username)}/second-factor")
