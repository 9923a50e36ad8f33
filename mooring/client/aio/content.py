"""Files and folders by content, without blocking: only what the studio does not have yet is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from mooring.client.aio.transport import Transport, segment
from mooring.client.aio.workspaces import Scope
from mooring.client.content import AT_ONCE, ROUNDS, Progress, not_kept
from mooring.errors import MooringProblem
from mooring.files import BLOCK, LocalFile, files_of

__all__ = ["Content", "Progress"]


class Content:
    """The content of a workspace."""

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    async def upload_code(self, folder: Path, *, workspace: str | None = None, progress: Progress | None = None) -> str:
        """Send a code folder (or one file) without what its ignore files leave out; return the tree's digest."""
        return await self.upload(await asyncio.to_thread(files_of, folder), workspace=workspace, progress=progress)

    async def upload_input(self, place: Path, *, workspace: str | None = None, progress: Progress | None = None) -> str:
        """Send an input, a file or a folder; return the tree's digest."""
        files = await asyncio.to_thread(files_of, place, ignore_names=(".amlignore",))
        return await self.upload(files, workspace=workspace, progress=progress)

    async def upload(self, files: Sequence[LocalFile], *, workspace: str | None = None, progress: Progress | None = None) -> str:
        """Send files as one tree; return its digest. `progress` gets bytes sent and bytes to send."""
        tree = {"files": [file.as_dict() for file in files]}
        by_digest = {file.digest: file for file in files}
        for _ in range(ROUNDS):
            try:
                answer = await self._transport.json("POST", await self._scope.path(workspace, "trees"), json=tree)
                return str(answer["digest"])
            except MooringProblem as problem:
                missing = problem.body.get("missing")
                if problem.status != 409 or not isinstance(missing, list):
                    raise
                await self._send([by_digest[digest] for digest in missing if digest in by_digest], workspace, progress)
        raise not_kept()

    async def _send(self, files: list[LocalFile], workspace: str | None, progress: Progress | None) -> None:
        total = sum(file.size for file in files)
        sent = {file.digest: 0 for file in files}
        gate = asyncio.Semaphore(AT_ONCE)

        def note(digest: str, count: int) -> None:
            sent[digest] = count
            if progress:
                progress(sum(sent.values()), total)

        async def one(file: LocalFile) -> None:
            async with gate:
                await self._send_one(file, workspace, note)

        await asyncio.gather(*map(one, files))

    async def _send_one(self, file: LocalFile, workspace: str | None, note: Callable[[str, int], None]) -> None:
        path = await self._scope.path(workspace, f"blobs/{segment(file.digest)}")
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.size)}

        async def blocks() -> AsyncIterator[bytes]:
            count = 0
            with file.source.open("rb") as source:
                while block := await asyncio.to_thread(source.read, BLOCK // 4):
                    yield block
                    count += len(block)
                    note(file.digest, count)

        await self._transport.send("PUT", path, body=blocks, headers=headers)
