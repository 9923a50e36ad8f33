"""Many viewers of one log over SSE, in a process of their own: `python -m benchmarks.viewing URL TOPIC COUNT`.

Reads the session's cookies as JSON from standard input; on its end (SIGTERM, or the log's bytes all there) it prints one
JSON object: what each viewer lacked, had twice or out of order, counted in bytes by their offsets.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import signal
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

# Made once: each takes as long as many a frame.
TLS = ssl.create_default_context()
NEWEST = re.compile(rb"\n\d{7} (\d+\.\d{6}) ok\n\Z")


@dataclass
class Viewer:
    """One connection: how far it has read, and what was wrong with what came."""

    end: int = 0
    gaps: int = 0
    repeats: int = 0
    reconnected: int = 0
    cursor: str = ""
    digest: Any = field(default_factory=hashlib.sha256)
    waits: list[float] = field(default_factory=list)

    def take(self, payload: dict[str, Any]) -> None:
        """Take one frame of bytes."""
        if payload["offset"] > self.end:
            self.gaps += 1
        elif payload["offset"] < self.end:
            self.repeats += 1
        if payload["offset"] == self.end:
            piece = base64.b64decode(payload["data"])
            self.digest.update(piece)
            self.end += len(piece)
            # The newest line of a frame only: to read the time of each would make the viewers slow themselves.
            if match := NEWEST.search(piece[-80:]):
                self.waits.append(time.time() - float(match[1]))


async def watch(viewer: Viewer, url: str, topic: str, cookies: dict[str, str]) -> None:
    """Read the stream for ever, again from the cursor when it ends."""
    async with httpx.AsyncClient(cookies=cookies, timeout=httpx.Timeout(10, read=60), trust_env=False, verify=TLS) as http:
        while True:
            headers = {"Last-Event-ID": viewer.cursor} if viewer.cursor else {}
            try:
                async with http.stream("GET", f"{url}/live/", params={"topics": topic}, headers=headers) as answer:
                    answer.raise_for_status()
                    async for line in answer.aiter_lines():
                        if line.startswith("id: "):
                            viewer.cursor = line[4:]
                        elif line.startswith('data: {"topic"'):
                            message = json.loads(line[6:])
                            if message["event"] == "bytes":
                                viewer.take(message["payload"])
            except httpx.HTTPError:
                await asyncio.sleep(0.5)
            viewer.reconnected += 1


async def main(url: str, topic: str, count: int) -> None:
    """Watch until told to stop, then print what came."""
    cookies = json.loads(sys.stdin.readline())
    viewers = [Viewer() for _ in range(count)]
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    tasks = [asyncio.create_task(watch(viewer, url, topic, cookies)) for viewer in viewers]
    await told.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps([{"end": one.end, "gaps": one.gaps, "repeats": one.repeats, "reconnected": one.reconnected,
                       "sha256": one.digest.hexdigest(), "waits": one.waits} for one in viewers]), flush=True)  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
