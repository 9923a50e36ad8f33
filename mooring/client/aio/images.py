"""Made by setup/async_client.py from mooring/client/images.py: change that one."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from mooring.client.aio.transport import Transport
from mooring.client.aio.workspaces import listed


class ImageRules:
    """The rules for images; everyone sees them, operators change them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self, *, q: str | None = None, view: str | None = None, sort: str | None = None, most: int | None = None
    ) -> builtins.list[Mapping[str, Any]]:
        """Return the rules in the order in which they are tried: `id`, `position`, `pattern`, `image`, `note`; that contain `q`."""
        return [one async for one in listed(self._transport, "image-rules", {"q": q, "view": view, "sort": sort}, most=most)]

    async def set(self, pattern: str, image: str, *, note: str = "", position: int = 100) -> Mapping[str, Any]:
        """Make `image` stand in for names that match `pattern` (`*` for any run of characters), in place of a rule for it."""
        body = {"pattern": pattern, "image": image, "note": note, "position": position}
        return dict(await self._transport.json("PUT", "image-rules", json=body))

    async def delete(self, id: int) -> None:
        """Remove a rule by its id."""
        await self._transport.send("DELETE", f"image-rules/{int(id)}")
