"""The load generator: how it reads answers, and that what waits is in its figures."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.load import Load, Place, closes, is_whole, request_of, status_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def answering(answer: Callable[[int], bytes]) -> Iterator[Place]:
    """Serve on a free port; `answer` gives the bytes for the request of a number, nothing closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        numbers = iter(range(1_000_000))

        def serve(sock: socket.socket) -> None:
            with sock:
                while sock.recv(65536):
                    content = answer(next(numbers))
                    sock.sendall(content)
                    if not content or closes(content):
                        return

        def accept() -> None:
            while True:
                try:
                    sock = listener.accept()[0]
                except OSError:
                    return
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield Place("127.0.0.1", listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def called(answer: Callable[[int], bytes], *, rate: float = 200, seconds: float = 0.2, **how: int) -> Load:
    with answering(answer) as place:
        load = Load(place, request_of(place, "/score", b"{}"), connections=2, **how)
        load.run(rate, seconds)
        load.close()
    return load


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_with_its_last_byte(content: bytes, whole: bool) -> None:
    assert is_whole(content) is whole


def test_the_status_and_the_end_of_a_connection_are_read_from_the_head() -> None:
    assert (status_of(OK), status_of(b""), status_of(b"nonsense")) == (200, 0, 0)
    assert closes(b"HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert not closes(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n\r\nconnection: close")


def test_requests_are_sent_at_the_rate_and_all_are_answered() -> None:
    answers = called(lambda number: OK).answers
    assert (answers.sent, len(answers.seconds), answers.failures) == (40, 40, [])


def test_a_server_that_stands_still_does_not_stop_the_clock_of_those_that_wait() -> None:
    first: list[float] = []

    def answer(number: int) -> bytes:
        first.append(time.monotonic())
        time.sleep(max(first[0] + 0.3 - time.monotonic(), 0))
        return OK

    slow = [each for each in called(answer).answers.seconds if each > 0.05]
    # A caller that waits for its answer would have seen two slow requests, one on each connection.
    assert len(slow) > 20


def test_what_is_no_2xx_or_no_answer_is_a_failure_with_its_text() -> None:
    bad = b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nfull"
    answers = called(lambda number: bad if number == 3 else b"" if number == 5 else OK).answers
    assert [(each.status, each.text) for each in answers.failures] == [(503, "full"), (0, "closed without an answer")]
    assert len(answers.seconds) == 38
    assert all(each.due <= each.sent <= each.ended for each in answers.failures)


def test_connections_are_opened_anew_after_so_many_uses_and_when_the_server_ends_them() -> None:
    assert called(lambda number: OK, uses=10).answers.connections >= 2
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ended = called(lambda number: last).answers
    assert (len(ended.seconds), ended.failures) == (40, [])


def test_a_rate_that_is_not_held_is_given_up() -> None:
    began = time.monotonic()

    def slowly(number: int) -> bytes:
        time.sleep(0.5)
        return OK

    with answering(slowly) as place:
        load = Load(place, request_of(place, "/score", b"{}"), connections=1)
        answers = load.run(100, 20, give_up=0.2)
        load.close()
    assert time.monotonic() - began < 10
    assert answers.sent < 100
