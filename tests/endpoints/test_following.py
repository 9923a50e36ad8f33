"""What replicas print: taken from the node once, however many look, for as long as somebody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone

from compute.kube.errors import Invalid, Unreachable
from endpoints import following
from endpoints.following import Lines, LogFollowers, forget_logs, log_of, look, path_of, topic_of
from endpoints.models import Replica, ReplicaLog
from studio.live.topics import allowed
from tests.conftest import People

Make = Callable[..., Any]


def line(second: int, text: str) -> bytes:
    return f"2026-03-01T12:00:{second:02}.000000001Z {text}\n".encode()


@pytest.fixture
def replica(make_endpoint: Make, make_deployment: Make, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Replica:
    settings.DATA = tmp_path
    monkeypatch.setattr(following, "PAUSE_S", 0.0)
    found: Replica = make_deployment(make_endpoint()).replicas.get()
    return found


class Node:
    """A node that gives one answer after the other, then is silent."""

    def __init__(self, *answers: list[bytes | Exception]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str | None, int | None]] = []
        self.open = 0

    async def stream_log(self, *_: Any, since: str | None, tail: int | None, **__: Any) -> AsyncIterator[bytes]:
        self.asked.append((since, tail))
        self.open += 1
        try:
            for piece in self.answers.pop(0) if self.answers else []:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
            if not self.answers:
                await asyncio.Event().wait()
        finally:
            self.open -= 1


def followed(node: Node, until: Callable[[], bool], then: Callable[[], None] | None = None) -> LogFollowers:
    """Sweep as a leg does until something holds; then do something, sweep once more, and let everything end."""

    async def run(call: Callable[..., Any], *args: Any) -> Any:
        return await sync_to_async(call)(*args)

    async def leg() -> LogFollowers:
        followers = LogFollowers(run, lambda _: node)  # type: ignore[arg-type, return-value]
        async with asyncio.timeout(10):
            while not await run(until):
                await followers.sweep()
                await asyncio.sleep(0.01)
            if then:
                await run(then)
                await followers.sweep()
                await asyncio.gather(*followers.tasks.values(), return_exceptions=True)
        kept = node.open
        await followers.close()
        node.open = kept
        return followers

    return async_to_sync(leg)()


def test_after_a_break_it_goes_on_from_the_nodes_time_and_no_line_comes_twice(replica: Replica) -> None:
    row = log_of(replica, "inference-server")
    look(row)
    node = Node([line(1, "one"), line(2, "two"), Unreachable("gone")], [line(2, "two") + line(3, "thr"), b"", line(4, "four")])
    followed(node, lambda: b"four" in (path_of(row).read_bytes() if path_of(row).exists() else b""))
    assert path_of(row).read_bytes() == b"one\ntwo\nthr\nfour\n"
    assert node.asked == [(None, following.FIRST_LINES), ("2026-03-01T12:00:02Z", None)]
    row.refresh_from_db()
    assert (row.size, row.after) == (17, "2026-03-01T12:00:04.000000001Z")


def test_a_reader_that_was_cut_off_before_it_noted_what_it_wrote_changes_nothing(replica: Replica) -> None:
    row = log_of(replica, "inference-server")
    look(row)
    path_of(row).parent.mkdir()
    path_of(row).write_bytes(b"one\ntw")
    followed(Node([line(1, "one") + line(2, "two")]), lambda: ReplicaLog.objects.get(pk=row.pk).size == 8)
    assert path_of(row).read_bytes() == b"one\ntwo\n"


def test_many_who_look_are_one_stream_and_none_when_nobody_does(replica: Replica, people: People) -> None:
    row = log_of(replica, "inference-server")
    for user in (people.reader, people.contributor, people.owner):
        assert allowed(user, [topic_of(row)])
    node = Node([line(1, "one")])
    left: list[int] = []

    def nobody() -> None:
        left.append(node.open)
        ReplicaLog.objects.filter(pk=row.pk).update(wanted_until=timezone.now())

    followed(node, lambda: ReplicaLog.objects.get(pk=row.pk).size > 0, nobody)
    assert (left, node.open, len(node.asked)) == ([1], 0, 1)


def test_a_stranger_neither_sees_a_log_nor_has_it_followed(replica: Replica, people: People) -> None:
    row = log_of(replica, "inference-server")
    assert allowed(people.stranger, [topic_of(row)]) == []
    row.refresh_from_db()
    assert row.wanted_until is None


def test_what_the_node_says_instead_of_lines_is_told(replica: Replica, people: People, client_for: Any) -> None:
    row = log_of(replica, "inference-server")
    look(row)
    waiting = Invalid("container is waiting to start: PodInitializing")
    followed(Node([waiting]), lambda: bool(ReplicaLog.objects.get(pk=row.pk).said))
    url = f"/w/team/endpoints/flowers/logs/blue/{replica.pod_name}/inference-server/bytes"
    answer = client_for(people.reader).get(url, {"log": row.pk})
    assert "waiting to start" in answer.headers["X-Log-Said"] and answer.headers["X-Log-Ended"] == "false"
    # Offsets of a file that was begun anew mean nothing to a page that has an older one.
    assert "Load the page again" in client_for(people.reader).get(url, {"log": row.pk + 1}).headers["X-Log-Said"]


def test_a_replica_that_is_gone_ends_its_log_and_is_no_fault(replica: Replica, people: People, client_for: Any) -> None:
    replica.delete()
    answer = client_for(people.reader).get(f"/w/team/endpoints/flowers/logs/blue/{replica.pod_name}/inference-server/bytes")
    assert (answer.status_code, answer.headers["X-Log-Ended"]) == (200, "true")


def test_what_nobody_looked_at_for_long_is_forgotten_with_its_file(replica: Replica) -> None:
    row, young = log_of(replica, "inference-server"), log_of(replica, "prepare")
    for each in (row, young):
        path_of(each).parent.mkdir(exist_ok=True)
        path_of(each).write_bytes(b"x")
        look(each)
    ReplicaLog.objects.filter(pk=row.pk).update(wanted_until=timezone.now() - timedelta(hours=13))
    forget_logs()
    assert [path_of(each).exists() for each in (row, young)] == [False, True]
    replica.delete()
    forget_logs()
    assert not path_of(young).exists()


def test_lines_that_come_in_parts_are_whole_and_what_has_no_time_is_left_out() -> None:
    lines = Lines("2026-03-01T12:00:01.000000001Z")
    pieces = [b"utted line\n", line(1, "known"), line(2, "new")[:20], line(2, "new")[20:], b"2026-03-01T12:00:03.000000001Z part"]
    assert b"".join(lines.take(piece) for piece in pieces) == b"new\n"
    assert lines.last == "2026-03-01T12:00:02.000000001Z"
