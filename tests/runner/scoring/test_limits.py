"""How many at once, how long they wait, and what a hostile or slow caller can do."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.runner.scoring.server import Server, post, read_all

pytestmark = pytest.mark.slow

SLEEPER = """
    import os, threading, time
    lock, now, most = threading.Lock(), 0, 0
    def init(): pass
    def run(raw_data):
        global now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(float(raw_data))
        with lock:
            now -= 1
        return [most, os.getpid(), threading.get_ident()]
"""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as made:
        yield made


def many(server: Server, pool: ThreadPoolExecutor, count: int, body: str) -> list[tuple[int, Any]]:
    def one(_: int) -> tuple[int, Any]:
        status, answer, _headers = server.request("POST", "/score", body)
        return status, json.loads(answer)

    return list(pool.map(one, range(count)))


def begun(server: Server, pool: ThreadPoolExecutor, body: str) -> Future[tuple[int, bytes, dict[str, str]]]:
    """Send a request and give it a moment to be running."""
    future = pool.submit(server.request, "POST", "/score", body)
    time.sleep(0.15)
    return future


def test_one_runs_at_a_time_unless_more_is_asked_for(server: Server, pool: ThreadPoolExecutor) -> None:
    server.start(SLEEPER, max_queue_wait_ms=5000)
    answers = many(server, pool, 8, "0.03")
    assert {status for status, _ in answers} == {200}
    assert {answer[0] for _, answer in answers} == {1}


def test_threads_run_at_once_up_to_the_limit(server: Server, pool: ThreadPoolExecutor) -> None:
    # Nobody comes out before four are in: a fifth would show in the count.
    together = SLEEPER.replace("time.sleep(float(raw_data))", "four.wait(30)").replace("most =", "most, four =", 1)
    together = together.replace("threading.Lock(), 0, 0", "threading.Lock(), 0, 0, threading.Barrier(4)")
    server.start(together, max_queue_wait_ms=60_000, request_timeout_ms=60_000, max_concurrent=4)
    answers = many(server, pool, 16, "0")
    assert {status for status, _ in answers} == {200}
    assert max(answer[0] for _, answer in answers) == 4
    assert len({answer[2] for _, answer in answers}) == 4


def test_workers_share_what_runs_at_once(server: Server, pool: ThreadPoolExecutor) -> None:
    server.start(SLEEPER, max_queue_wait_ms=5000, max_concurrent=3, WORKER_COUNT=2)
    server.wait_for(lambda: len(server.workers()) == 2)
    server.wait_for(lambda: len({answer[1] for _, answer in many(server, pool, 12, "0.1")}) == 2)
    assert "2 workers, 3 requests at once" in server.log


def test_there_are_never_more_workers_than_requests_at_once(server: Server) -> None:
    server.start(SLEEPER, max_concurrent=1, WORKER_COUNT=4)
    assert len(server.workers()) == 1
    assert "WORKER_COUNT is 4: more of them" in server.log


def test_who_waits_too_long_is_told_to_come_again(server: Server, pool: ThreadPoolExecutor) -> None:
    server.start(SLEEPER, max_queue_wait_ms=100)
    running = begun(server, pool, "3")
    began = time.monotonic()
    status, answer, headers = server.request("POST", "/score", "0")
    assert (status, json.loads(answer)["id"], headers["retry-after"]) == (503, "queue-wait-too-long", "1")
    assert 0.09 < time.monotonic() - began < 2
    assert running.result()[0] == 200
    assert server.score("0")


def test_a_full_queue_says_so_at_once(server: Server, pool: ThreadPoolExecutor) -> None:
    server.start(SLEEPER, max_queue_wait_ms=3000, max_queue=1)
    running, waiting = begun(server, pool, "0.6"), begun(server, pool, "0")
    status, answer, headers = server.request("POST", "/score", "0")
    assert (status, json.loads(answer)["id"], headers["retry-after"]) == (503, "queue-full", "1")
    assert (running.result()[0], waiting.result()[0]) == (200, 200)


def test_a_run_that_takes_too_long_is_answered_and_its_result_thrown_away(server: Server) -> None:
    server.start(SLEEPER, request_timeout_ms=200, max_queue_wait_ms=2000)
    with server.connect() as sock:
        sock.sendall(post(b"0.5"))
        answer = sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert b"run-too-slow" in answer
        time.sleep(0.5)
        sock.sendall(post(b"0", b"Connection: close"))
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")


def test_probes_are_answered_while_run_holds_python_s_lock(server: Server) -> None:
    server.start("def init(): pass\ndef run(raw_data): return len(str(sum(range(40_000_000))))")
    waiting = threading.Thread(target=server.request, args=("POST", "/score", "a"))
    waiting.start()
    time.sleep(0.1)
    slowest = 0.0
    while waiting.is_alive():
        began = time.monotonic()
        assert server.get("/ready")[0] == 200
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 2  # a probe's time limit


def test_a_run_that_never_comes_back_costs_its_worker(server: Server) -> None:
    script = "import os, time\ndef init(): pass\ndef run(raw_data):\n    time.sleep(float(raw_data))\n    return os.getpid()"
    server.start(script, request_timeout_ms=100, run_limit_seconds=0.3, max_queue_wait_ms=50)
    first = server.score("0")
    assert server.problem("POST", "/score", "60") == (504, "run-too-slow")
    server.wait_for(lambda: server.request("POST", "/score", "0")[0] == 200)
    assert server.score("0") != first
    assert "had a request for more than 0.3 s and was ended" in server.log


def test_who_goes_away_while_waiting_is_not_run(server: Server, pool: ThreadPoolExecutor) -> None:
    script = (
        "import time\nran = []\ndef init(): pass\ndef run(raw_data):\n    ran.append(raw_data); time.sleep(float(raw_data)); return ran"
    )
    server.start(script, max_queue_wait_ms=3000)
    running = begun(server, pool, "0.5")
    with server.connect() as sock:
        sock.sendall(post(b"0.001"))
        time.sleep(0.1)
    assert running.result()[0] == 200
    assert server.score("0") == ["0.5", "0"]
    server.wait_for(lambda: " 499 " in server.log)


def test_a_body_that_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    server.start(max_body_bytes=1000)
    assert server.score("a" * 1000) == "a" * 1000
    assert server.problem("POST", "/score", "a" * 1001) == (413, "request-too-large")
    status, answer, _ = server.request("POST", "/score", b"a" * 3_000_000)
    assert (status, json.loads(answer)["id"]) == (413, "request-too-large")


def test_a_slow_caller_is_ended_and_others_do_not_wait_for_it(server: Server) -> None:
    server.start(read_seconds=0.5)
    socks = [server.connect() for _ in range(3)]
    socks[0].sendall(b"POST /sc")
    socks[1].sendall(post(b"a" * 100)[:-50])
    socks[2].sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    assert server.score("a") == "a"
    for sock in socks:
        with sock:
            answer = read_all(sock)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request-too-slow" in answer


def test_a_caller_that_does_not_read_does_not_hold_up_others(server: Server) -> None:
    server.start()
    with server.connect() as sock:
        sock.sendall(post(b"x" * 30_000_000))
        assert server.score("a") == "a"


def test_an_idle_connection_is_closed_after_a_while(server: Server) -> None:
    server.start(keep_alive_seconds=0.3)
    with server.connect() as sock:
        sock.sendall(post(b"a"))
        assert b'"a"' in read_all(sock)


def test_connections_beyond_the_limit_are_told_so(server: Server) -> None:
    server.start(max_connections=3)
    held = [server.connect() for _ in range(3)]
    for sock in held:
        sock.sendall(post(b"a"))
        sock.recv(4096)
    with server.connect() as sock:
        assert b"too-many-connections" in read_all(sock)
    held.pop().close()
    server.wait_for(lambda: b'"b"' in server.raw(post(b"b", b"Connection: close")))
    for sock in held:
        sock.close()


def test_connections_that_vanish_are_forgotten(server: Server) -> None:
    server.start(max_connections=5)
    for _ in range(50):
        sock = server.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.sendall(post(b"a" * 5000)[:3000])
        sock.close()
    server.wait_for(lambda: b'"b"' in server.raw(post(b"b", b"Connection: close")))


def test_a_log_that_nobody_reads_does_not_hold_it_up(server: Server) -> None:
    import os
    import subprocess
    import sys

    read, write = os.pipe()
    server.write("def init(): pass\ndef run(raw_data): return 1")
    with socket.create_server(("127.0.0.1", 0)) as spare:
        server.port = spare.getsockname()[1]
    env = {"AML_APP_ROOT": str(server.app), "AZUREML_ENTRY_SCRIPT": "score.py", "MOORING_SCORING_PORT": str(server.port)}
    server.process = subprocess.Popen([sys.executable, "-I", str(server.pyz)], env=env, stdout=write)
    os.close(write)
    while True:
        try:
            if server.get("/ready")[0] == 200:
                break
        except OSError:
            time.sleep(0.05)
    head = {"x_ms_client_request_id": "c" * 40, "x_request_id": "r" * 120}
    for _ in range(500):
        assert server.request("POST", "/score", "a", **head)[0] == 200
    os.close(read)


def test_pages_of_other_origins_read_answers_only_when_allowed(server: Server) -> None:
    server.start(cors_origins="http://a, http://b")
    headers = server.request("POST", "/score", "x", Origin="http://b")[2]
    assert headers["access-control-allow-origin"] == "http://b"
    assert "access-control-allow-origin" not in server.request("POST", "/score", "x", Origin="http://c")[2]
    status, answer, headers = server.request("OPTIONS", "/score", Origin="http://a")
    assert (status, answer, headers["access-control-allow-methods"]) == (204, b"", "GET, POST")


def test_the_log_of_requests_can_be_off_and_the_status_of_failures_another(server: Server) -> None:
    server.start("def init(): pass\ndef run(raw_data): 1 / 0", access_log=0, run_failed_status=502)
    assert server.problem("POST", "/score", "a") == (502, "run-failed")
    assert "POST /score" not in server.log
