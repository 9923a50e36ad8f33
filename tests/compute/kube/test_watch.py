"""A watch tells the truth through everything that happens to it."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from compute.kube import aclient, errors, kinds
from compute.kube.aclient import AsyncKubeClient
from compute.kube.watch import Added, Back, Backoff, Change, Deleted, Lost, Modified, Pace, Snapshot, watch
from tests.fakekube import FakeKube

pytestmark = pytest.mark.asyncio
QUICK = Pace(server_timeout=60, first_delay=0.02, longest_delay=0.1)


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c"}]}}


@pytest.fixture
def team(fakekube: FakeKube) -> FakeKube:
    fakekube.namespace("team")
    return fakekube


@contextlib.asynccontextmanager
async def watching(
    fake: FakeKube, *, idle_check: float = 5.0, pace: Pace = QUICK, **choice: Any
) -> AsyncIterator[AsyncGenerator[Change, None]]:
    async with AsyncKubeClient(fake.connection(), timeout=1, idle_check=idle_check) as client:
        changes = watch(client, kinds.POD, pace=pace, **choice)
        async with contextlib.aclosing(changes):
            yield changes


async def following(changes: AsyncGenerator[Change, None]) -> Any:
    return await asyncio.wait_for(anext(changes), 10)


async def until(changes: AsyncGenerator[Change, None], kind: type[Change]) -> tuple[Any, list[Change]]:
    before: list[Change] = []
    while not isinstance(change := await following(changes), kind):
        before.append(change)
    return change, before


async def opened(fake: FakeKube, times: int = 1) -> None:
    """Wait until so many watches have been asked for."""
    deadline = time.monotonic() + 10
    while sum("watch=true" in path for _, path in fake.requests) < times:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def create(fake: FakeKube, name: str, **labels: str) -> None:
    fake.store.create(kinds.POD, "team", pod(name, **labels))


async def test_it_lists_first_and_then_tells_changes_in_order(team: FakeKube) -> None:
    create(team, "old")
    async with watching(team) as changes:
        snapshot = await following(changes)
        assert [each["metadata"]["name"] for each in snapshot.objects] == ["old"]
        create(team, "new")
        assert isinstance(await following(changes), Added)
        assert isinstance(await following(changes), Modified)  # its status begins
        team.store.delete(kinds.POD, "team", "new", {})
        gone = await following(changes)
        assert isinstance(gone, Deleted)
        assert gone.object["metadata"]["name"] == "new"


async def test_nothing_is_missed_between_the_list_and_the_watch(team: FakeKube) -> None:
    async with watching(team) as changes:
        await following(changes)
        create(team, "between")  # the watch is only opened when the next change is asked for
        assert (await following(changes)).object["metadata"]["name"] == "between"


async def test_an_object_that_stops_matching_is_deleted(team: FakeKube) -> None:
    create(team, "a", mine="yes")
    create(team, "b")
    async with watching(team, labels={"mine": "yes"}) as changes:
        assert len((await following(changes)).objects) == 1
        team.store.merge(kinds.POD, "team", "a", {"metadata": {"labels": {"mine": None}}}, None)
        assert isinstance(await following(changes), Deleted)


async def test_it_watches_one_namespace(team: FakeKube) -> None:
    async with watching(team, namespace="team") as changes:
        await following(changes)
        team.store.create(kinds.POD, "default", pod("elsewhere"))
        create(team, "here")
        assert (await following(changes)).object["metadata"]["name"] == "here"


async def test_managed_fields_are_left_out(team: FakeKube) -> None:
    manifest = {**pod("a"), "apiVersion": "v1", "kind": "Pod"}
    team.store.apply(kinds.POD, "team", "a", manifest, manager="x", force=False, dry_run=False)
    assert team.store.get(kinds.POD, "team", "a")["metadata"]["managedFields"]
    async with watching(team) as changes:
        assert "managedFields" not in (await following(changes)).objects[0]["metadata"]


async def test_a_watch_that_the_server_ends_goes_on_without_a_new_list(team: FakeKube) -> None:
    async with watching(team, pace=Pace(server_timeout=1, first_delay=0.02)) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        await opened(team, 2)
        create(team, "later")
        assert isinstance(await asking, Added)
    assert sum("watch=true" not in path for _, path in team.requests) == 1


async def test_a_place_that_is_forgotten_leads_to_a_new_snapshot(team: FakeKube) -> None:
    async with watching(team) as changes:
        await following(changes)
        create(team, "unseen")
        team.expire()
        snapshot = await following(changes)
        assert isinstance(snapshot, Snapshot)
        assert len(snapshot.objects) == 1


async def test_an_error_event_in_a_running_watch_leads_to_a_new_snapshot(team: FakeKube) -> None:
    async with watching(team) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        await opened(team)
        await asyncio.to_thread(_wait_for_watch, team)
        team.expire()
        assert isinstance(await asking, Snapshot)


async def test_bookmarks_keep_the_place_young(team: FakeKube) -> None:
    team.bookmark_every = 0.05
    async with watching(team) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        await opened(team)
        for number in range(5):  # changes of another kind, which the watch does not see
            team.namespace(f"other{number}")
        newest = team.store.version
        await asyncio.sleep(0.3)
        team.drop_watches()
        await opened(team, 2)
        (_, path) = [each for each in team.requests if "watch=true" in each[1]][1]
        assert f"resourceVersion={newest}" in path
        create(team, "a")
        assert isinstance(await asking, Added)


async def test_a_watch_that_is_cut_is_opened_again_without_a_word(team: FakeKube) -> None:
    async with watching(team) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        await opened(team)
        team.drop_watches()
        await opened(team, 2)
        create(team, "a")
        assert isinstance(await asking, Added)


async def test_a_server_in_trouble_is_lost_once_and_back_once(team: FakeKube) -> None:
    async with watching(team) as changes:
        snapshot = await following(changes)
        team.fail(500, times=4)
        lost = await following(changes)
        assert isinstance(lost, Lost)
        assert isinstance(lost.error, errors.ServerFault)
        assert lost.since >= snapshot.at
        back = await following(changes)
        assert isinstance(back, Back)
        assert back.lost_since == lost.since
        create(team, "a")
        assert isinstance(await following(changes), Added)


async def test_it_begins_lost_when_the_server_is_down_from_the_start(team: FakeKube) -> None:
    fault = team.fail(503)
    async with watching(team) as changes:
        assert isinstance(await following(changes), Lost)
        asking = asyncio.ensure_future(following(changes))
        fault.healed.set()
        assert isinstance(await asking, Back)
        assert isinstance(await following(changes), Snapshot)


async def test_a_black_hole_is_noticed_while_nothing_happens(team: FakeKube) -> None:
    async with watching(team, idle_check=0.2) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        await opened(team)
        await asyncio.to_thread(_wait_for_watch, team)
        team.fail("blackhole")
        began = time.monotonic()
        lost = await asking
        assert isinstance(lost, Lost)
        assert isinstance(lost.error, errors.Timeout)
        assert time.monotonic() - began < 4
        team.heal()
        assert isinstance(await following(changes), Back)
        create(team, "after")
        assert isinstance(await following(changes), Added)


async def test_credentials_that_are_revoked_are_noticed_while_nothing_happens(team: FakeKube) -> None:
    async with watching(team, idle_check=0.2) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        await opened(team)
        team.revoke()
        lost = await asking
        assert isinstance(lost.error, errors.Unauthorized)


async def test_a_quiet_server_that_lives_is_not_lost(team: FakeKube) -> None:
    async with watching(team, idle_check=0.05) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        deadline = time.monotonic() + 10
        while sum(path == "/version" for _, path in team.requests) < 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        create(team, "a")
        assert isinstance(await asking, Added)


async def test_many_watches_share_one_question(team: FakeKube) -> None:
    async with AsyncKubeClient(team.connection(), timeout=1, idle_check=0.3) as client:

        async def follow(kind: kinds.Kind) -> None:
            async for _ in watch(client, kind, pace=QUICK):
                pass

        chosen = [kinds.POD, kinds.NODE, kinds.JOB, kinds.EVENT, kinds.NAMESPACE]
        tasks = [asyncio.create_task(follow(kind)) for kind in chosen]
        await opened(team, len(chosen))
        began = time.monotonic()
        while sum(path == "/version" for _, path in team.requests) < 3:
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.01)
        rounds = (time.monotonic() - began) / 0.3
        assert sum(path == "/version" for _, path in team.requests) <= 2 * rounds + 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_cancelled_watch_lets_go_of_its_connection(team: FakeKube) -> None:
    async with AsyncKubeClient(team.connection()) as client:

        async def follow() -> None:
            async for _ in watch(client, kinds.POD, pace=QUICK):
                pass

        task = asyncio.create_task(follow())
        await opened(team)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    assert left == []


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(team: FakeKube) -> None:
    backoff = Backoff(Pace(first_delay=1, longest_delay=8))
    delays = [backoff.failed() for _ in range(6)]
    for delay, ceiling in zip(delays, [1, 2, 4, 8, 8, 8], strict=True):
        assert ceiling / 2 <= delay <= ceiling
    assert backoff.failed(errors.TooManyRequests("x", retry_after=20)) == 20
    backoff.succeeded()
    assert backoff.failed() <= 1


async def test_an_event_that_is_no_event_is_survived(team: FakeKube) -> None:
    team.fail("garbage", path="watch=true", times=1)
    async with watching(team) as changes:
        await following(changes)
        lost = await following(changes)
        assert isinstance(lost, Lost)
        assert isinstance(await following(changes), Back)


async def test_two_thousand_changes_come_complete_and_in_order(team: FakeKube) -> None:
    create(team, "a")
    async with watching(team) as changes:
        await following(changes)
        asking = asyncio.ensure_future(following(changes))
        await opened(team)

        def change() -> None:
            for number in range(2000):
                team.store.merge(kinds.POD, "team", "a", {"metadata": {"labels": {"n": str(number)}}}, None)

        changing = asyncio.get_running_loop().run_in_executor(None, change)
        seen = [int((await asking).object["metadata"]["labels"]["n"])]
        while seen[-1] < 1999:
            seen.append(int((await following(changes)).object["metadata"]["labels"]["n"]))
        await changing
        assert seen == list(range(2000))


def _wait_for_watch(fake: FakeKube) -> None:
    """Wait until the server is inside a running watch, and not still opening it."""
    deadline = time.monotonic() + 10
    while fake.watching < 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def test_a_stream_that_is_given_up_leaves_no_socket_open(team: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[socket.socket] = []

    def made(address: Any) -> socket.socket:
        sockets.append(make(address))
        return sockets[-1]

    make = aclient._socket
    monkeypatch.setattr(aclient, "_socket", made)
    async with watching(team) as changes:
        await following(changes)
        create(team, "one")
        await following(changes)
    # Nobody waits here for what the server says to that.
    await asyncio.sleep(0)
    assert [each.fileno() for each in sockets] == [-1] * len(sockets) and sockets


async def test_a_server_that_was_put_back_to_an_older_state_is_listed_anew(team: FakeKube) -> None:
    create(team, "before")
    async with watching(team) as changes:
        await following(changes)
        state = team.store.version
        create(team, "after")
        await until(changes, Modified)
        await opened(team)
        team.store.delete(kinds.POD, "team", "after", {})
        await until(changes, Deleted)
        team.store.version = state  # as a database that was restored counts on from where it was
        team.store.log[:] = [event for event in team.store.log if event.version <= state]
        team.drop_watches()
        snapshot, _ = await until(changes, Snapshot)
        assert [each["metadata"]["name"] for each in snapshot.objects] == ["before"]
        create(team, "next")
        assert (await until(changes, Added))[0].object["metadata"]["name"] == "next"
