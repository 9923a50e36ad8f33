"""Carry a job's files through the API server, for clusters whose pods cannot call the studio (NAT, a laptop).

The same bytes by the same digests as on the direct way; only who dials differs. Slower, as everything passes the API
server: chosen only where the cluster's probe said that pods do not reach the studio.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog

from compute.kube.errors import ServerFault
from compute.kube.pods import PodAddress, PodTransport, pod_request
from jobs.keeping import keep_piecewise, missing_outputs, room_for
from jobs.models import Job, Process
from jobs.progress import finished
from studio.assets.services import store
from studio.assets.store import BlobWriter
from studio.assets.trees import load_tree, tar_stream
from studio.core.bytes import pieces
from studio.core.errors import ProblemError
from studio.core.texts import read_json

log = structlog.get_logger(__name__)

Run = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Line:
    """A way to one pod's runner."""

    transport: PodTransport
    address: PodAddress
    headers: dict[str, str]

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Send a request and return the status and the JSON of its answer (empty when there is none)."""
        answer = await pod_request(self.transport, self.address, method, path, headers=self.headers, body=body)
        try:
            found = read_json(answer.body or b"{}")
        except ValueError:
            found = {}
        return answer.status, found if isinstance(found, dict) else {}


async def feed(line: Line, job: Job) -> None:
    """Bring code and inputs to a pod that waits for them; what it has already is not sent again."""
    await feed_by(line, lambda wanted: _digest_for(job, wanted), job.name)


async def feed_by(line: Line, digest_for: Callable[[str], str | None], who: str) -> None:
    """Bring a pod the trees that it waits for, by what it calls them; what it has already is not sent again."""
    status, said = await line.ask("GET", "/v1/status")
    if status != 200 or "wanted" not in said:
        return
    for wanted in said["wanted"]:
        digest = digest_for(str(wanted))
        if digest is None:
            log.warning("a pod wants what it is not to have", pod_of=who, wanted=wanted)
            continue
        body = pieces(_tar(digest))
        status, answer = await line.ask("PUT", f"/v1/feed/{quote(str(wanted), safe='/')}", body)
        if status != 200:
            raise ServerFault(f"The pod did not take {wanted}: {answer.get('text') or status}")
    await line.ask("POST", "/v1/feed/done")


async def fetch_outputs(line: Line, job: Job, process_id: int, exit: dict[str, Any] | None, run: Run) -> bool:
    """Fetch and acknowledge what a process left; False while its runner is not ready to give it."""
    status, listing = await line.ask("GET", "/v1/outputs")
    if status != 200:
        return False
    rows = [row for row in listing.get("outputs") or [] if isinstance(row, dict)]
    process = await run(Process.objects.get, pk=process_id)
    refused: list[dict[str, Any]] = []
    lacking = set(await run(missing_outputs, job, rows))
    for row in rows:
        name = f"{row.get('root')}/{row.get('path')}"
        if name in lacking:
            try:
                await _fetch(line, job, process.index, row, run)
            except ProblemError as error:
                if error.problem.id != "job-outputs-too-large":
                    raise
                refused.append({"id": error.problem.id, "severity": "error", "text": error.text})
    listed = [{"root": row.get("root"), "path": row.get("path"), "sha256": row.get("sha256")} for row in rows]
    await run(_note, process, exit, [*(listing.get("problems") or []), *refused])
    status, _ = await line.ask("POST", "/v1/outputs/ack", json.dumps({"outputs": listed}).encode())
    return status == 200


async def _fetch(line: Line, job: Job, index: int, row: dict[str, Any], run: Run) -> None:
    root, path, digest = str(row.get("root")), str(row.get("path")), f"sha256:{row.get('sha256')}"
    writer: BlobWriter = await run(store().writer)
    try:
        where = f"/v1/outputs/{quote(root, safe='')}/{quote(path, safe='/')}"
        async with line.transport.open(line.address, "GET", where, headers=line.headers) as answer:
            if answer.status != 200:
                raise ServerFault(f"The pod answered {answer.status} for {root}/{path}.")
            room = await run(room_for, job, root, path)
            async for piece in answer:
                if writer.size > room:
                    # Refused below; what is left of it is not fetched.
                    break
                await asyncio.to_thread(writer.write, piece)
        await run(keep_piecewise, job, index, root, path, digest, writer)
    finally:
        await asyncio.to_thread(writer.abandon)


def _note(process: Process, exit: dict[str, Any] | None, problems: list[dict[str, Any]]) -> None:
    finished(process, exit=exit, problems=[problem for problem in problems if isinstance(problem, dict)])


def _digest_for(job: Job, wanted: str) -> str | None:
    if wanted == "code.tar":
        return job.code_digest or None
    name = wanted.removeprefix("inputs/").removesuffix(".tar")
    return ((job.inputs.get(name) or {}).get("mount") or {}).get("digest")


def _tar(digest: str) -> Iterable[bytes]:
    yield from tar_stream(load_tree(digest, store()), store())
