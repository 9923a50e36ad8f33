"""The studio itself: versions, processes, queues, disk, failed tasks."""

from __future__ import annotations

from typing import Any

from mooring.client.transport import Transport


class System:
    """Look at the studio itself; for administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> dict[str, Any]:
        """Return versions, children, redis, schedule, database, disk and failed_tasks; sizes in bytes."""
        return dict(self._transport.json("GET", "system"))

    def clear_failed_tasks(self) -> int:
        """Forget the failed tasks; return how many there were."""
        return int(self._transport.json("DELETE", "system/failed-tasks")["forgotten"])
