"""The stream of live events, over a real server: nothing missed, nothing twice, nothing that is not one's own."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import httpx
import pytest
import uvicorn
from django.contrib.sessions.models import Session
from django.test import Client

from jobs.keeping import append_log
from jobs.models import Job, Process
from studio import web
from studio.live import sse
from studio.live.bus import STREAM, client, publish_now
from tests.conftest import People

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_S = 60


@pytest.fixture
def server(people: People) -> Iterator[str]:
    """Serve the studio on a port of the loopback."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = web.server()
    config.timeout_graceful_shutdown = 1
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: running.started)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/live/"
    running.should_exit = True
    thread.join(20)
    listening.close()


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


class Stream:
    """Read an event stream message by message."""

    def __init__(self, answer: httpx.Response) -> None:
        self.lines = answer.iter_lines()
        self.cursor = ""

    def next(self) -> dict[str, Any]:
        """Return the next message, a heartbeat as {"event": "heartbeat"}."""
        fields: dict[str, str] = {}
        for line in self.lines:
            name, _, value = line.partition(": ")
            if not line and "data" in fields:
                self.cursor = fields.get("id", self.cursor)
                return {"event": fields["event"]} if "event" in fields else json.loads(fields["data"])
            fields[name] = value
        raise AssertionError("the stream ended")

    def first(self, event: str) -> dict[str, Any]:
        """Return the next message of a kind; all others are passed over."""
        while (message := self.next())["event"] != event:
            pass
        return message


@contextmanager
def watching(server: str, person: Any, topics: str, *, last: str = "") -> Iterator[Stream]:
    browser = Client()
    browser.force_login(person)
    cookies = {"sessionid": browser.cookies["sessionid"].value}
    headers = {"Last-Event-ID": last} if last else {}
    with httpx.stream("GET", server, params={"topics": topics}, cookies=cookies, headers=headers, timeout=WAIT_S) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


def begun(stream: Stream, topic: str = "jobs:team") -> None:
    """Wait until what happens from here on will be sent."""
    heard = threading.Event()

    def call() -> None:
        while not heard.wait(0.05):
            publish_now(topic, "ready", {})

    caller = threading.Thread(target=call)
    caller.start()
    try:
        stream.first("ready")
    finally:
        heard.set()
        caller.join()


def test_who_asks_for_another_protocol_is_answered_as_anybody_else(server: str) -> None:
    asks = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert httpx.get(server, headers=asks, timeout=WAIT_S).status_code == 401


def test_a_position_that_no_file_has_is_none() -> None:
    assert sse.read_cursor(f"live=1-1;log:7={'9' * 18};log:8={'9' * 19};log:9=x") == {"live": "1-1", "log:7": "9" * 18}


def test_nobody_gets_a_stream(server: str) -> None:
    answer = httpx.get(server, params={"topics": "jobs:team"}, timeout=WAIT_S)
    assert answer.status_code == 401


def test_what_happens_is_told_to_who_may_watch_it(server: str, people: People) -> None:
    with watching(server, people.reader, "jobs:team jobs:elsewhere nonsense:x") as stream:
        begun(stream)
        publish_now("jobs:elsewhere", "changed", {"name": "secret"})
        publish_now("jobs:team", "changed", {"name": "a_job"})
        assert stream.first("changed") == {"topic": "jobs:team", "event": "changed", "payload": {"name": "a_job"}}


def test_a_quiet_stream_says_again_and_again_that_it_is_there(server: str, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "ASK_S", 0.1)
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.3)
    with watching(server, people.reader, "jobs:team") as stream:
        for _ in range(4):
            assert stream.first("heartbeat")


def test_what_was_missed_is_told_after_a_return_in_order_and_once(server: str, people: People) -> None:
    with watching(server, people.reader, "jobs:team") as stream:
        begun(stream)
        publish_now("jobs:team", "changed", {"n": 0})
        stream.first("changed")
        last = stream.cursor
    for n in (1, 2, 3):
        publish_now("jobs:team", "changed", {"n": n})
    with watching(server, people.reader, "jobs:team", last=last) as stream:
        assert [stream.first("changed")["payload"]["n"] for _ in range(3)] == [1, 2, 3]


def test_who_was_away_for_too_long_is_told_to_ask_again(server: str, people: People) -> None:
    publish_now("jobs:team", "changed", {"n": 0})
    last = client().xrevrange(STREAM, count=1)[0][0].decode()
    for n in range(3):
        publish_now("jobs:team", "changed", {"n": n})
    client().xtrim(STREAM, maxlen=1, approximate=False)
    with watching(server, people.reader, "jobs:team", last=f"live={last}") as stream:
        assert stream.first("resync")["topic"] == "jobs:team"


def test_a_log_is_sent_from_its_file_and_then_live_each_byte_once(server: str, people: People, settings: Any, tmp_path: Any) -> None:
    settings.RUNS = tmp_path
    job = Job.objects.create(workspace=people.workspace, yaml="", command="", image="", compute_name="", namespace="", status="Running")
    process = Process.objects.create(job=job, index=0, pod_uid="u", pod_name="p")
    topic, whole = f"log:{process.pk}.std_log", bytes(range(256)) * 400
    append_log(process.log_path(), topic, 0, whole[:70_000])

    def write() -> None:
        for at in range(70_000, len(whole), 1000):
            for _ in range(2):
                append_log(process.log_path(), topic, at, whole[at : at + 1000])

    with watching(server, people.reader, topic) as stream:
        writer = threading.Thread(target=write)
        writer.start()
        got = bytearray()
        while len(got) < len(whole):
            payload = stream.first("bytes")["payload"]
            assert payload["offset"] == len(got)
            got += base64.b64decode(payload["data"])
        writer.join()
        assert bytes(got) == whole
        cursor = stream.cursor
    append_log(process.log_path(), topic, len(whole), b"the end")
    with watching(server, people.reader, topic, last=cursor) as stream:
        payload = stream.first("bytes")["payload"]
        assert (payload["offset"], base64.b64decode(payload["data"])) == (len(whole), b"the end")


def test_a_stranger_gets_no_byte_of_a_log(server: str, people: People, settings: Any, tmp_path: Any) -> None:
    settings.RUNS = tmp_path
    job = Job.objects.create(workspace=people.workspace, yaml="", command="", image="", compute_name="", namespace="", status="Running")
    process = Process.objects.create(job=job, index=0, pod_uid="u", pod_name="p")
    topic = f"log:{process.pk}.std_log"
    append_log(process.log_path(), topic, 0, b"secret")
    with watching(server, people.stranger, f"{topic} log:{process.pk}.token log:99999999999999999999.std_log jobs:elsewhere") as stream:
        begun(stream, "jobs:elsewhere")
        append_log(process.log_path(), topic, 6, b"more")
        publish_now("jobs:elsewhere", "changed", {})
        told = [stream.next()]
        while told[-1]["event"] != "changed":
            told.append(stream.next())
        assert {each.get("topic", "jobs:elsewhere") for each in told} == {"jobs:elsewhere"}


def test_connections_that_redis_cut_are_made_anew(server: str, people: People) -> None:
    with watching(server, people.reader, "jobs:team") as stream:
        begun(stream)
        client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        until(lambda: _readers() == 1)
        publish_now("jobs:team", "changed", {"n": 1})
        seen = {stream.next()["event"] for _ in range(1)}
        while not seen & {"changed", "resync"}:
            seen.add(stream.next()["event"])


def test_many_connections_share_one_reader_of_redis(server: str, people: People) -> None:
    with watching(server, people.reader, "jobs:team") as one, watching(server, people.owner, "jobs:team") as two:
        with watching(server, people.contributor, "jobs:team") as three:
            for stream in (one, two, three):
                begun(stream)
            assert _readers() == 1
            publish_now("jobs:team", "changed", {})
            assert [stream.first("changed")["topic"] for stream in (one, two, three)] == ["jobs:team"] * 3


def _readers() -> int:
    return sum(1 for each in client().client_list() if each["cmd"].startswith("xread"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["role", "person", "session", "other role"])
def test_who_may_no_longer_watch_is_told_nothing_more_within_five_seconds(server: str, people: People, how: str) -> None:
    with watching(server, people.reader, "jobs:team") as stream:
        begun(stream)
        if how == "role":
            people.reader.memberships.all().delete()
        elif how == "person":
            type(people.reader).objects.filter(pk=people.reader.pk).update(is_active=False)
        elif how == "session":
            Session.objects.all().delete()
        else:
            people.reader.memberships.update(role="owner")
        began = time.monotonic()
        heard = []
        with pytest.raises((AssertionError, httpx.HTTPError)) if how != "other role" else nullcontext():
            while time.monotonic() - began < 8:
                heard.append(stream.next()["event"])
                publish_now("jobs:team", "ready", {})
                time.sleep(0.1)
        assert (time.monotonic() - began < 5) == (how != "other role")
        # Who is signed out is told so, that the page can say it; who lost a role is not signed out.
        assert ("ended" in heard) == (how in ("person", "session"))


def test_streams_that_wait_hold_no_threads(server: str, people: People) -> None:
    def held() -> int:
        return sum(1 for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor"))

    before = held()
    with ExitStack() as streams:
        for _ in range(6):
            stream = streams.enter_context(watching(server, people.reader, "jobs:team"))
            assert stream.first("resync")
        until(lambda: held() <= before)
        publish_now("jobs:team", "changed", {"name": "a_job"})
        assert stream.first("changed")["payload"] == {"name": "a_job"}
