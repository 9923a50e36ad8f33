"""Hand the log of a replica on to a program as it is written: the same one stream from the node that the pages read from."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase, StreamingHttpResponse

from endpoints.following import log_of, look, path_of
from endpoints.logs import CONTAINERS
from endpoints.manifests import SERVER
from endpoints.models import Deployment, Replica, ReplicaLog
from endpoints.selectors import log_replica
from studio.accounts.access import as_before, workspace_for
from studio.core.bytes import file_pieces, pieces
from studio.core.errors import ProblemError

# How often the file is looked at, and the row, which says whether more will come and that somebody still looks.
LOOK_S, ASK_S = 0.1, 1.0
# A reader asks again after so long, from where it is.
LIFE_S = 600
# How long the first answer waits for the first lines of a log that nobody looked at until now.
BEGIN_S = 3.0
MOST_TAIL = 1024 * 1024


def follow_log(
    deployment: Deployment, *, container: str = SERVER, pod: str = "", lines: int = 50, offset: int | None = None, watcher: Any
) -> HttpResponseBase:
    """Answer with a container's log as it comes: from its last `lines`, or from `offset` on; raises `not-found`.

    `X-Log-Pod` and `X-Log-Offset` say which replica it is and where the answer begins, `X-Log-Ended` that nothing comes after it,
    `X-Log-Said` what the node says instead of lines.
    """
    which, replica = CONTAINERS.get(container), log_replica(deployment, pod)
    if which is None or replica is None or deployment.endpoint.compute is None:
        raise ProblemError("not-found")
    row = log_of(replica, which)
    look(row)
    ends = time.monotonic() + BEGIN_S
    while row.read_at is None and not row.size and time.monotonic() < ends:
        time.sleep(LOOK_S)
        row.refresh_from_db()
    path = path_of(row)
    size = _size(path)
    # What is longer than the file was forgotten meanwhile: it begins anew.
    begin = _last_lines(path, lines) if offset is None else min(max(0, offset), size)
    response = StreamingHttpResponse(_followed(row.pk, path, begin, watcher), content_type="application/octet-stream")
    told = {"Pod": replica.pod_name, "Offset": str(begin), "Ended": "true" if row.ended else "false"}
    told["Said"] = " ".join(row.said.encode("ascii", errors="replace").decode().split())
    for name, value in told.items():
        response.headers[f"X-Log-{name}"] = value
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def containers_of(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the containers of each replica whose log can be read, those of the newest revision first."""
    return [_container(replica, name) for replica in deployment.replicas.all() for name in dict.fromkeys(CONTAINERS.values())]


def _container(replica: Replica, name: str) -> dict[str, Any]:
    serves = name == SERVER
    before = replica.state in ("waiting", "preparing")
    state = ("waiting" if before else replica.state) if serves else (replica.state if before else "ended")
    return {
        "pod": replica.pod_name,
        "container": name,
        "state": state,
        "ready": replica.ready if serves else state == "ended",
        "restarts": replica.restarts if serves else 0,
        # Of before its restart the node has a log, too.
        "previous": serves and replica.restarts > 0,
        "revision": replica.revision,
        "node": replica.node,
    }


async def _followed(id: int, path: Path, offset: int, watcher: Any) -> AsyncIterator[bytes]:
    ends, asked, over = time.monotonic() + LIFE_S, 0.0, False
    while time.monotonic() < ends:
        if time.monotonic() - asked > ASK_S or not asked:
            asked = time.monotonic()
            over = await sync_to_async(_over)(id, watcher)
        size = await asyncio.to_thread(_size, path)
        if size > offset:
            async for piece in pieces(file_pieces(path, offset, size)):
                offset += len(piece)
                yield piece
        elif over:
            return
        else:
            await asyncio.sleep(LOOK_S)


def _over(id: int, watcher: Any) -> bool:
    """Tell whether nothing more will come, or the reader may not see it any longer; else note that somebody looks."""
    row = ReplicaLog.objects.select_related("replica__deployment__endpoint__workspace").filter(pk=id).first()
    if row is None or row.ended:
        return True
    try:
        workspace_for(as_before(watcher), row.replica.deployment.endpoint.workspace.name)
    except ProblemError:
        return True
    look(row)
    return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _last_lines(path: Path, lines: int) -> int:
    """Return where the last `lines` of a file begin."""
    size = _size(path)
    if not size or lines < 1:
        return size
    start = max(0, size - MOST_TAIL)
    tail = b"".join(file_pieces(path, start, size))
    at = len(tail) - (1 if tail.endswith(b"\n") else 0)
    for _ in range(lines):
        at = tail.rfind(b"\n", 0, at)
        if at < 0:
            return start
    return start + at + 1
