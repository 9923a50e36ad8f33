"""Follow what replicas print for as long as somebody looks: one stream from the node, however many people watch.

Replicas have no sidecar, so the node's own log is followed, with its times. What was taken is a file whose bytes never
move: browsers get it by offset and then live, as the logs of jobs. The row says which time the file reaches to, and is
written with it. Whatever is killed, the next reader asks for what came after that time and writes it to the same place.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from compute.kube.aclient import AsyncKubeClient
from compute.kube.errors import Invalid, KubeError, NotFound
from endpoints.manifests import PREPARE, SERVER
from endpoints.models import Replica, ReplicaLog
from jobs.following import together
from jobs.keeping import append_log, cut_at

log = structlog.get_logger(__name__)

CONTAINERS = {SERVER: "Server", PREPARE: "Preparing"}
# How long a look lasts, when it is renewed, and how long what was taken is kept after the last one.
WATCHED, RENEWED = timedelta(seconds=25), timedelta(seconds=15)
KEPT = timedelta(hours=12)
# What a file begins with.
FIRST_LINES = 5_000
PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0
MOST = 200
# A kubelet's time is of fixed width, so that times compare as text: 2026-03-01T12:00:00.000000000Z.
TIME = 30


def log_of(replica: Replica, container: str) -> ReplicaLog:
    """Return the row of a container's log, made when somebody looks for the first time."""
    return ReplicaLog.objects.get_or_create(replica=replica, container=container)[0]


def look(row: ReplicaLog) -> None:
    """Note that somebody looks: the leg of the stream follows the log while that is so."""
    now = timezone.now()
    if row.wanted_until is None or row.wanted_until < now + RENEWED:
        row.wanted_until = now + WATCHED
        ReplicaLog.objects.filter(pk=row.pk).update(wanted_until=row.wanted_until)


def path_of(row: ReplicaLog) -> Path:
    """Return where what was taken of a log is kept."""
    return Path(settings.DATA) / "replica-logs" / f"{row.pk}.log"


def topic_of(row: ReplicaLog) -> str:
    """Return the topic on which new bytes of a log are told."""
    return f"log-replica:{row.pk}"


@dataclass(frozen=True)
class Followed:
    """What a follower needs to know; `after` is the node's time of the last line that is here, `size` where it ends."""

    id: int
    cluster_id: int
    namespace: str
    pod: str
    container: str
    after: str
    size: int


class LogFollowers:
    """The followers of replicas' logs of one leg of the stream, on its event loop."""

    def __init__(self, run: Callable[..., Any], client_of: Callable[[int], AsyncKubeClient | None]) -> None:
        # Runs something that touches the database or a file in the leg's bounded pool.
        self.run = run
        self.client_of = client_of
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def sweep(self) -> None:
        """Follow every log at which somebody looks, and none besides."""
        wanted = await self.run(_wanted)
        for id, task in list(self.tasks.items()):
            if id not in wanted:
                task.cancel()
            if task.done():
                del self.tasks[id]
        for id in wanted:
            if id not in self.tasks:
                self.tasks[id] = asyncio.get_running_loop().create_task(self._follow(id), name=f"replica-log-{id}")

    async def close(self) -> None:
        """End all followers; the next leg goes on from the times that the rows say."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _follow(self, id: int) -> None:
        pause = PAUSE_S
        while (followed := await self.run(_followed, id)) is not None:
            client = self.client_of(followed.cluster_id)
            if client is None:
                return
            try:
                if await self._read(followed, client):
                    pause = PAUSE_S
                said = ""
            except NotFound:
                said = "The pod is not there any more."
            except Invalid as error:
                # Not begun yet: the kubelet says what it waits for.
                said = error.message
            except KubeError as error:
                log.info("log of a replica broken", log=id, error=str(error))
                said = f"The cluster does not answer: {error}"
            if await self.run(_note, id, said):
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    async def _read(self, followed: Followed, client: AsyncKubeClient) -> bool:
        """Take lines until the container ends or the stream breaks; tell whether any came."""
        # A kubelet knows whole seconds only: those of the last one come again and are dropped.
        since = f"{followed.after[:19]}Z" if followed.after else None
        tail = None if followed.after else FIRST_LINES
        stream = client.stream_log(
            followed.namespace, followed.pod, followed.container, since=since, tail=tail, follow=True, timestamps=True
        )  # fmt: skip
        lines = Lines(followed.after)
        size, after, came = followed.size, followed.after, False
        async with contextlib.aclosing(together(stream)) as pieces:
            async for piece in pieces:
                taken = lines.take(piece)
                if not taken:
                    continue
                at = await self.run(keep, followed.id, size, after, taken, lines.last)
                if at is None:
                    # Another reader was here: ask again from where the file ends now.
                    return True
                size, after, came = at, lines.last, True
        return came


class Lines:
    """Lines of a node's log without their times; those up to a time are known already and left out."""

    def __init__(self, after: str = "") -> None:
        self.known = self.last = after
        self.rest = b""

    def take(self, piece: bytes) -> bytes:
        """Return what is new of the whole lines so far."""
        *whole, self.rest = (self.rest + piece).split(b"\n")
        return b"".join(self._fresh(whole))

    def _fresh(self, whole: Iterable[bytes]) -> Iterable[bytes]:
        for line in whole:
            time, space, text = line.partition(b" ")
            if not space or len(time) != TIME:
                # The first line may be cut in its middle.
                continue
            at = time.decode("ascii", errors="replace")
            if at <= self.known:
                continue
            self.last = at
            yield text + b"\n"


def keep(id: int, size: int, after: str, piece: bytes, last: str) -> int | None:
    """Write a piece where the file ends, and note which time it reaches to; None when another reader was faster.

    The same lines after the same time are the same bytes at the same place: doing it twice changes nothing.
    """
    row = ReplicaLog.objects.filter(pk=id, size=size, after=after).first()
    if row is None:
        return None
    end = append_log(path_of(row), topic_of(row), size, piece, timed=False)
    values = {"size": end, "after": last, "read_at": timezone.now(), "said": ""}
    return end if ReplicaLog.objects.filter(pk=id, size=size, after=after).update(**values) else None


def forget_logs() -> None:
    """Remove what was taken of logs at which nobody has looked for long, or whose replica is gone; files of no row, too."""
    old = ReplicaLog.objects.filter(wanted_until__lt=timezone.now() - KEPT)
    for row in old[:MOST]:
        path_of(row).unlink(missing_ok=True)
        row.delete()
    folder = Path(settings.DATA) / "replica-logs"
    known = set(ReplicaLog.objects.values_list("pk", flat=True))
    for path in folder.glob("*.log"):
        if path.stem.isdecimal() and int(path.stem) not in known:
            path.unlink(missing_ok=True)


def _wanted() -> set[int]:
    rows = ReplicaLog.objects.filter(wanted_until__gt=timezone.now(), ended=False)
    return set(rows.order_by("-wanted_until").values_list("pk", flat=True)[:MOST])


def _followed(id: int) -> Followed | None:
    rows = ReplicaLog.objects.select_related("replica__deployment__endpoint__compute")
    row = rows.filter(pk=id, wanted_until__gt=timezone.now(), ended=False).first()
    compute = row.replica.deployment.endpoint.compute if row else None
    if row is None or compute is None or cut_at(path_of(row)) is not None:
        return None
    endpoint = row.replica.deployment.endpoint
    return Followed(row.pk, compute.cluster_id, endpoint.namespace, row.replica.pod_name, row.container, row.after, row.size)


def _note(id: int, said: str) -> bool:
    """Note how the stream ended; tell whether nothing more will come: who prepares a pod prepares it once."""
    row = ReplicaLog.objects.select_related("replica").filter(pk=id).first()
    if row is None:
        return True
    row.said, row.read_at = said[:200], timezone.now()
    row.ended = row.replica.state == "ended" or (row.container == PREPARE and not said and row.replica.state in AFTER_PREPARING)
    row.save(update_fields=["said", "read_at", "ended"])
    return bool(row.ended)


AFTER_PREPARING = ("starting", "warming", "ready", "not-ready", "ending")
