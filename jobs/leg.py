"""One leg of the stream: the watches of all clusters and the logs of all running processes, on one event loop.

A leg lasts at most ten minutes and is started again by the beat; a lease in Redis keeps two from doing the same work.
The lease saves work and guarantees nothing: two legs at once would only write the same bytes at the same offsets.
"""

import asyncio
import os
import platform
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis
import structlog
from celery.bootsteps import CLOSE, TERMINATE
from celery.signals import worker_init, worker_shutting_down

from compute.kube.aclient import AsyncKubeClient
from compute.kube.errors import KubeError
from compute.watching import connection_for, watch_cluster, watched_clusters
from jobs.following import Followers
from studio.live.bus import client

log = structlog.get_logger(__name__)

LEG_S = 600
LEASE_S, RENEW_S = 15, 5
THREADS = 6
LOOK_S = 1.0

# What else is followed on the leg's loop, as other apps register it: made of what runs a call in the leg's pool, and of
# what gives a cluster's client.
MORE: list[Callable[[Callable[..., Any], Callable[[int], AsyncKubeClient | None]], Any]] = []

_stopping = False
_worker: Any = None


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    """End the running leg within a second when its worker is told to stop."""
    global _stopping
    _stopping = True


@worker_init.connect
def _begin(sender: Any = None, **_: Any) -> None:
    """Remember the worker that legs run in."""
    global _worker
    _worker = sender


def _told_to_stop() -> bool:
    """Tell whether the worker stops, also when it does so by itself: a consumer that broke down sends no signal.

    Losing Redis at the wrong moment breaks kombu's consumer for good. The worker then waits for its running tasks, and
    a leg would keep the process from ending, and so from being started again, for ten minutes.
    """
    state = getattr(getattr(_worker, "blueprint", None), "state", None)
    return _stopping or state in (CLOSE, TERMINATE)


def run() -> None:
    """Run a leg, unless another process holds the lease."""
    lease = Lease("stream")
    if not lease.take():
        return
    try:
        asyncio.run(_Leg(lease).run())
    finally:
        lease.give_back()


class Lease:
    """A key in Redis that says who does something; it runs out by itself when its owner dies."""

    def __init__(self, name: str) -> None:
        self.key = f"lease:{name}"
        self.owner = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def take(self) -> bool:
        """Take the lease; False when somebody has it, True also when Redis is away (work is better done twice)."""
        try:
            return bool(client().set(self.key, self.owner, nx=True, ex=LEASE_S))
        except redis.RedisError:
            return True

    def renew(self) -> bool:
        """Keep the lease; False when somebody else has it by now."""
        try:
            holder = client().get(self.key)
            if holder is not None and holder.decode() != self.owner:
                return False
            client().set(self.key, self.owner, ex=LEASE_S)
        except redis.RedisError as error:
            log.info("lease could not be renewed", error=str(error))
        return True

    def give_back(self) -> None:
        """Let the next one begin at once."""
        try:
            if client().get(self.key) == self.owner.encode():
                client().delete(self.key)
        except redis.RedisError:
            log.info("lease could not be given back")


class _Leg:
    """The tasks of one leg, by cluster."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="leg")
        self.watches: dict[int, tuple[str, asyncio.Task[None]]] = {}
        self.clients: dict[int, AsyncKubeClient] = {}

    async def run(self) -> None:
        """Watch and follow until the leg's time is over, the lease is lost, or the worker stops."""
        followers = Followers(self.pool, self.clients.get)
        followers.open()
        more = [make(followers.run, self.clients.get) for make in MORE]
        ends, renewed = time.monotonic() + LEG_S, time.monotonic()
        try:
            while time.monotonic() < ends and not _told_to_stop():
                await self._look_at_clusters(followers)
                await followers.sweep()
                for each in more:
                    await each.sweep()
                if time.monotonic() - renewed > RENEW_S:
                    renewed = time.monotonic()
                    if not await asyncio.to_thread(self.lease.renew):
                        log.info("another process holds the stream")
                        return
                await asyncio.sleep(LOOK_S)
        finally:
            for each in (followers, *more):
                await each.close()
            for id in list(self.watches):
                await self._stop_watching(id)
            self.pool.shutdown(wait=False, cancel_futures=True)

    async def _look_at_clusters(self, followers: Followers) -> None:
        """Watch each cluster that is attached, anew when its connection changed; stop watching the others."""
        try:
            wanted = await followers.run(watched_clusters)
        except Exception:
            log.exception("clusters could not be listed")
            return
        for id in [id for id, (mark, task) in self.watches.items() if wanted.get(id) != mark or task.done()]:
            await self._stop_watching(id)
        for id, mark in wanted.items():
            if id not in self.watches:
                await self._watch(id, mark, followers)

    async def _watch(self, id: int, mark: str, followers: Followers) -> None:
        try:
            connection = await followers.run(connection_for, id)
            self.clients[id] = AsyncKubeClient(connection)
        except KubeError as error:
            log.warning("cluster cannot be watched", cluster=id, error=str(error))
            return
        except Exception:
            log.exception("cluster cannot be watched", cluster=id)
            return

        async def store(call: Callable[..., Any], *args: Any) -> Any:
            return await followers.run(call, *args)

        self.watches[id] = (mark, asyncio.create_task(watch_cluster(id, connection, store), name=f"watch-{id}"))

    async def _stop_watching(self, id: int) -> None:
        _, task = self.watches.pop(id)
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                log.warning("watch ended", cluster=id, error=repr(error))
        kept = self.clients.pop(id, None)
        if kept:
            await kept.close()


