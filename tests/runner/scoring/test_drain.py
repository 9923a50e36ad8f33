"""Told to end: not ready any more, still answering, and nobody is cut off."""

from __future__ import annotations

import http.client
import threading
import time

import pytest

from tests.runner.scoring.server import Server, post, read_all

pytestmark = pytest.mark.slow

WORK = "import time\ndef init(): pass\ndef run(raw_data):\n    time.sleep(float(raw_data))\n    return 1"


def test_it_serves_on_while_it_drains_and_closes_with_each_answer(server: Server) -> None:
    server.start(WORK, drain_seconds=1.5)
    with server.connect() as kept:
        kept.sendall(post(b"0"))
        assert b"connection: close" not in kept.recv(4096)
        server.signal()
        server.wait_for(lambda: server.problem("GET", "/ready") == (503, "ending"))
        assert server.get("/")[:2] == (200, b'"Ending"')
        kept.sendall(post(b"0"))
        answer = read_all(kept)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert server.score("0") == 1
    assert server.process is not None
    assert server.process.wait(10) == 0


def test_what_runs_is_finished(server: Server) -> None:
    server.start(WORK, drain_seconds=0)
    with server.connect() as sock:
        sock.sendall(post(b"1.5"))
        time.sleep(0.2)
        server.signal()
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")
    assert server.process is not None
    assert server.process.wait(10) == 0


def test_what_runs_beyond_the_grace_is_answered_all_the_same(server: Server) -> None:
    server.start(WORK, drain_seconds=0, grace_seconds=0.5, max_queue_wait_ms=5000)
    with server.connect() as running, server.connect() as waiting:
        running.sendall(post(b"4"))
        time.sleep(0.2)
        waiting.sendall(post(b"0"))
        time.sleep(0.1)
        server.signal()
        for sock in (running, waiting):
            answer = read_all(sock)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b'"ending"' in answer
    assert server.process is not None
    assert server.process.wait(10) == 0


def test_with_nothing_to_do_it_ends_when_the_drain_is_over(server: Server) -> None:
    server.start(WORK, drain_seconds=0.3)
    with server.connect():
        time.sleep(1.2)
        server.signal()
        began = time.monotonic()
        assert server.process is not None
        assert server.process.wait(10) == 0
    assert time.monotonic() - began < 2


def test_under_load_every_request_that_was_taken_is_answered(server: Server) -> None:
    server.start(WORK, drain_seconds=1, max_queue_wait_ms=5000, max_concurrent=2)
    answered, lost = [0] * 12, []
    refused = threading.Event()

    def load(number: int) -> None:
        """Ask again and again, on a kept connection or a new one, until nobody listens."""
        connection: http.client.HTTPConnection | None = None
        while not refused.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    refused.set()
                    return
            try:
                connection.request("POST", "/score", "0.002")
                response = connection.getresponse()
                response.read()
                assert response.status == 200
                answered[number] += 1
                if response.will_close or number % 3 == 0:
                    connection.close()
                    connection = None
            except Exception as error:
                lost.append(repr(error))
                return

    threads = [threading.Thread(target=load, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.signal()
    for thread in threads:
        thread.join(20)
    assert lost == []
    assert all(answered)
    assert server.process is not None
    assert server.process.wait(10) == 0
