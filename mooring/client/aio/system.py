"""Made by setup/async_client.py from mooring/client/system.py: change that one."""

from __future__ import annotations

from typing import Any

from mooring.client.aio.transport import Transport


class System:
    """Look at the studio itself; for administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self) -> dict[str, Any]:
        """Return versions, children, redis, schedule, database, disk and failed_tasks; sizes in bytes."""
        return dict(await self._transport.json("GET", "system"))

    async def clear_failed_tasks(self) -> int:
        """Forget the failed tasks; return how many there were."""
        return int((await self._transport.json("DELETE", "system/failed-tasks"))["forgotten"])
