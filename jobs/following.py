"""Follow the logs of running processes: one upstream stream a process, however many people watch.

Bytes come by offset from the runner's sidecar, over the way that was found for the cluster, and are written at their
offset. Whatever is killed, the next reader starts where the file ends: nothing is lost, doubled or reordered.
Where pods cannot be reached at all, the kubelet's copy is followed instead; the sidecar pushes the true end itself.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from django.db import close_old_connections
from django.db.models import Q

from compute import selectors as computes
from compute.kube.aclient import AsyncKubeClient
from compute.kube.errors import KubeError
from compute.kube.pods import PodAddress, PodProxy, PodTransport, PortForward, pod_request, stream_pod_http
from jobs.keeping import append_log, log_topic, note_cut, stored_bytes
from jobs.manifests import PORT
from jobs.models import FINAL, Job, Process
from jobs.progress import settle, usable_exit
from jobs.pushing import Line, feed, fetch_outputs
from studio.core.secrets import SecretUnreadable
from studio.core.texts import read_json

log = structlog.get_logger(__name__)

PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
# Pods that cannot be reached are asked again and again, but no more of them a second than this, however many there are.
TRIES_A_SECOND = 50
# Pieces that wait to be written are written together, up to this size.
WRITE_TOGETHER = 1024 * 1024


@dataclass(frozen=True)
class Followed:
    """What a follower needs to know of its process."""

    process_id: int
    cluster_id: int
    namespace: str
    pod: str
    token: str
    route: str
    pushed: bool = False


_ask: Callable[[int], None] | None = None


def wanted(process_id: int) -> None:
    """Ask the running leg of the stream, if there is one in this process, to follow a log now."""
    if _ask:
        _ask(process_id)


class Followers:
    """The followers of one leg of the stream, on its event loop."""

    def __init__(self, pool: ThreadPoolExecutor, client_of: Callable[[int], AsyncKubeClient | None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.pool = pool
        self.client_of = client_of
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.broken: set[int] = set()

    def open(self) -> None:
        """Take requests of the watch, which come from other threads."""
        global _ask
        _ask = self._asked

    def _asked(self, process_id: int) -> None:
        self.loop.call_soon_threadsafe(self.follow, process_id)

    async def close(self) -> None:
        """End all followers; the next leg takes the logs up where the files end."""
        global _ask
        _ask = None
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def follow(self, process_id: int) -> None:
        """Follow a process's log, if nobody here does."""
        task = self.tasks.get(process_id)
        if task is None or task.done():
            self.tasks[process_id] = self.loop.create_task(self._follow(process_id), name=f"log-{process_id}")

    async def sweep(self) -> None:
        """Follow every log that should be followed: what the watch's request missed."""
        for id in await self.run(_unfollowed):
            self.follow(id)
        self.tasks = {id: task for id, task in self.tasks.items() if not task.done()}

    async def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run something that touches the database or a file in the leg's bounded pool."""
        return await self.loop.run_in_executor(self.pool, partial(_with_connections, call, *args, **kwargs))

    async def _follow(self, process_id: int) -> None:
        pause = PAUSE_S
        try:
            while (followed := await self.run(_followed, process_id)) is not None:
                client = self.client_of(followed.cluster_id)
                if client is None:
                    return
                try:
                    if await self._read(followed, client):
                        return
                    self.broken.discard(process_id)
                    pause = PAUSE_S
                except KubeError as error:
                    log.info("log stream broken", process=process_id, error=str(error))
                    self.broken.add(process_id)
                    pause = min(pause * 2, max(LONGEST_PAUSE_S, len(self.broken) / TRIES_A_SECOND))
                await asyncio.sleep(pause)
        finally:
            self.broken.discard(process_id)

    async def _read(self, followed: Followed, client: AsyncKubeClient) -> bool:
        """Read to the present end of the stream; True when the log is whole and acknowledged."""
        if followed.route == "pods-log":
            return await self._read_kubelet(followed, client)
        transport: PodTransport = PortForward(client) if followed.route == "port-forward" else PodProxy(client)
        address = PodAddress(followed.namespace, followed.pod, PORT)
        headers = {"X-Mooring-Token": followed.token}
        line = Line(transport, address, headers)
        job = await self.run(_job_of, followed.process_id) if followed.pushed else None
        if job is not None:
            await feed(line, job)
        await self._copy(followed, transport, address, headers, "prepare.txt", follow=False)
        end = await self._copy(followed, transport, address, headers, "std_log.txt", follow=True)
        status = await _status(transport, address, headers)
        if status is None or status.get("phase") not in {"ended", "finished"}:
            return False
        total = int(((status.get("logs") or {}).get("std_log.txt") or {}).get("bytes", -1))
        if total < 0 or end < total:
            return False
        if job is not None and not await fetch_outputs(line, job, followed.process_id, status.get("exit"), self.run):
            return False
        await self._copy(followed, transport, address, headers, "runner.txt", follow=False)
        # Noted here before the sidecar may go: if we die in between, it waits and we come again.
        await self.run(_note_whole, followed.process_id, end, status.get("exit"))
        await pod_request(transport, address, "POST", "/v1/log/std_log.txt/ack", query={"bytes": end}, headers=headers)
        return True

    async def _copy(
        self, followed: Followed, transport: PodTransport, address: PodAddress, headers: dict[str, str], file: str, *, follow: bool
    ) -> int:
        """Copy a log from where ours ends; return where it ends now."""
        process = await self.run(Process.objects.filter(pk=followed.process_id).first)
        if process is None:
            return 0
        path, topic = process.log_path(file), log_topic(process, file)
        end = await self.run(stored_bytes, process, file)
        query: dict[str, str | int] = {"offset": end, "follow": 1} if follow else {"offset": end}
        stream = stream_pod_http(transport, address, f"/v1/log/{file}", query=query, headers=headers)
        async with contextlib.aclosing(together(stream)) as pieces:
            at = end
            async for piece in pieces:
                # The stream's own place counts: another reader may have brought our file further than this one is.
                end = await self.loop.run_in_executor(self.pool, append_log, path, topic, at, piece)
                at += len(piece)
                if end < at:
                    break
        return end

    async def _read_kubelet(self, followed: Followed, client: AsyncKubeClient) -> bool:
        """Follow the kubelet's copy of the log; True once its container has ended and the copy with it."""
        process = await self.run(Process.objects.filter(pk=followed.process_id).first)
        if process is None:
            return True
        path, topic = process.log_path(), log_topic(process)
        skip = at = await self.run(stored_bytes, process)
        async with contextlib.aclosing(client.stream_log(followed.namespace, followed.pod, container="job", follow=True)) as lines:
            async for piece in lines:
                fresh = piece[skip:]
                skip = max(skip - len(piece), 0)
                if fresh:
                    await self.loop.run_in_executor(self.pool, append_log, path, topic, at, fresh)
                    at += len(fresh)
        process = await self.run(Process.objects.filter(pk=followed.process_id).first)
        return process is None or process.ended_at is not None


async def together(stream: Any) -> Any:
    """Yield pieces as they come; what came while one was being written is yielded as one."""
    queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(64)

    async def read() -> None:
        try:
            async for piece in stream:
                await queue.put(piece)
            await queue.put(None)
        except Exception as error:
            await queue.put(error)

    reader = asyncio.create_task(read())
    try:
        while True:
            first = await queue.get()
            held = bytearray()
            last: bytes | BaseException | None = first
            while isinstance(last, bytes):
                held += last
                if queue.empty() or len(held) >= WRITE_TOGETHER:
                    break
                last = queue.get_nowait()
            if held:
                yield bytes(held)
            if last is None:
                return
            if isinstance(last, BaseException):
                raise last
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader
        await stream.aclose()


async def _status(transport: PodTransport, address: PodAddress, headers: dict[str, str]) -> dict[str, Any] | None:
    answer = await pod_request(transport, address, "GET", "/v1/status", headers=headers)
    try:
        told = read_json(answer.body) if answer.status == 200 else None
    except ValueError:
        told = None
    return told if isinstance(told, dict) else None


def _with_connections(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a call with database connections as fresh as a request would have them."""
    close_old_connections()
    return call(*args, **kwargs)


def _followed(process_id: int) -> Followed | None:
    process = Process.objects.select_related("job__cluster").filter(pk=process_id).first()
    if process is None or process.gone or process.log_final or process.job.status in FINAL:
        return None
    job = process.job
    if job.cluster is None:
        return None
    token, route = "", job.cluster.log_route
    try:
        token = job.token
    except SecretUnreadable:
        # The kubelet's copy asks for none.
        route = "pods-log"
    return Followed(process.pk, job.cluster.pk, job.namespace, process.pod_name, token, route, job.transport == "push")


def _job_of(process_id: int) -> Job:
    return Job.objects.select_related("workspace").get(processes=process_id)


def _unfollowed() -> list[int]:
    begun = Q(started_at__isnull=False) | Q(job__transport="push")
    rows = Process.objects.filter(begun, gone=False, log_final=False).exclude(job__status__in=FINAL)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:2000])


def _note_whole(process_id: int, end: int, exit: dict[str, Any] | None) -> None:
    values: dict[str, Any] = {"log_final": True, "log_bytes": end}
    if usable := usable_exit(exit):
        values["exit"] = usable
    Process.objects.filter(pk=process_id).update(**values)
    process = Process.objects.get(pk=process_id)
    note_cut(process)
    settle(process.job_id)


def keep_prepare_log(process_id: int) -> None:
    """Keep the log of a preparation that failed: its sidecar never ran, so the kubelet's copy is all there is."""
    process = Process.objects.select_related("job__cluster").filter(pk=process_id).first()
    if process is None or process.job.cluster is None:
        return
    client = computes.kube_client(process.job.cluster)
    try:
        whole = client.logs(process.job.namespace, process.pod_name, "prepare", limit_bytes=4 * 1024 * 1024).read()
    except KubeError as error:
        log.info("no log of the preparation", process=process_id, error=str(error))
        whole = b""
    kept = stored_bytes(process, "prepare.txt")
    if len(whole) > kept:
        append_log(process.log_path("prepare.txt"), log_topic(process, "prepare.txt"), kept, whole[kept:])
    Process.objects.filter(pk=process_id).update(log_final=True)
    settle(process.job_id)
