"""What the server answers: the routes, the results of run(), request ids, the log."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from tests.runner.scoring.server import Server, post, read_all

SCRIPT = """
    import dataclasses, datetime, json, os, sys, threading
    import beside
    calls, thread = [], threading.get_ident()

    class Array:
        def tolist(self): return [1, 2.5]

    class Table:
        columns = ["a"]
        def to_dict(self, orient="dict"): return [{"a": Array()}] if orient == "records" else {"a": {}}

    class Framework:
        status_code, headers, body = 202, [("X-A", "b"), ("Content-Length", "99"), ("Content-Type", "text/x")], b"taken"

    @dataclasses.dataclass
    class Point:
        x: int

    input_sample = {"data": [[1.5, "a", True]]}
    output_sample = Table()

    def init():
        calls.append("init")

    def run(raw_data):
        if raw_data == "where":
            return [os.getcwd(), beside.NAME, sys.argv, calls, threading.get_ident() == thread, __name__]
        if raw_data == "raise":
            raise ValueError("no such fish")
        if raw_data == "exit":
            sys.exit(3)
        if raw_data.startswith("eval:"):
            return eval(raw_data[5:])
        return raw_data
"""


@pytest.fixture
def served(one_server: Callable[..., Server]) -> Server:
    def start(server: Server) -> None:
        server.write("NAME = 'beside'", "code/beside.py")
        server.write(SCRIPT, "code/score.py")

    return one_server(None, before=start, AZUREML_ENTRY_SCRIPT="code/score.py")


def test_init_runs_once_in_the_app_folder_and_run_on_the_same_thread(served: Server) -> None:
    for _ in range(2):
        where = served.score("where")
    assert where == [str(served.app), "beside", [str(served.app / "code/score.py")], ["init"], True, "score"]


def test_the_probes_and_the_description_answer(served: Server) -> None:
    assert served.get("/")[:2] == (200, b'"Healthy"')
    assert served.get("/ready")[:2] == (200, b'"Ready"')
    assert served.request("HEAD", "/")[:2] == (200, b"")
    document = json.loads(served.get("/swagger.json")[1])
    body = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["data"]["items"]["items"] == {"type": "number", "format": "double"}
    assert body["example"] == {"data": [[1.5, "a", True]]}
    answered = document["paths"]["/score"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered["example"] == [{"a": [1, 2.5]}]


@pytest.mark.parametrize(
    ("expression", "body", "kind"),
    [
        ("'a text'", b'"a text"', "application/json"),
        ("b'bytes \\x00'", b"bytes \x00", "application/octet-stream"),
        ("{'a': [1, None, True]}", b'{"a": [1, null, true]}', "application/json"),
        ("(1, 2)", b"[1, 2]", "application/json"),
        ("None", b"null", "application/json"),
        ("3.5", b"3.5", "application/json"),
        ("Array()", b"[1, 2.5]", "application/json"),
        ("{'x': Array()}", b'{"x": [1, 2.5]}', "application/json"),
        ("Table()", b'[{"a": [1, 2.5]}]', "application/json"),
        ("{Point(1).x}", b"[1]", "application/json"),
        ("Point(1)", b'{"x": 1}', "application/json"),
        ("datetime.date(2026, 1, 2)", b'"2026-01-02"', "application/json"),
    ],
)
def test_results_become_answers(served: Server, expression: str, body: bytes, kind: str) -> None:
    status, answer, headers = served.request("POST", "/score", "eval:" + expression)
    assert (status, answer, headers["content-type"]) == (200, body, kind)


def test_a_result_that_describes_a_response_is_that_response(served: Server) -> None:
    status, answer, headers = served.request("POST", "/score", "eval:Framework()")
    assert (status, answer) == (202, b"taken")
    assert headers["x-a"] == "b"
    assert headers["content-type"] == "text/x"
    assert headers["content-length"] == "5"


@pytest.mark.parametrize("expression", ["object()", "{1: {object()}}", "float", "(lambda a: a.append(a) or a)([])"])
def test_a_result_that_cannot_be_sent_is_said(served: Server, expression: str) -> None:
    assert served.problem("POST", "/score", "eval:" + expression) == (500, "result-not-usable")


def test_a_header_that_would_split_the_answer_is_not_sent(served: Server) -> None:
    expression = "type('R', (), {'status_code': 200, 'headers': {'a': 'b\\r\\nc: d'}, 'body': b''})()"
    assert served.problem("POST", "/score", "eval:" + expression) == (500, "result-not-usable")


def test_an_exception_is_a_problem_for_the_caller_and_a_traceback_in_the_log(served: Server) -> None:
    status, answer, headers = served.request("POST", "/score", "raise", x_request_id="fishing")
    assert status == 500
    assert json.loads(answer) == {"id": "run-failed", "message": "run() raised an exception. The log says which.", "request_id": "fishing"}
    assert "fish" not in answer.decode().replace("fishing", "")
    assert headers["x-request-id"] == "fishing"
    served.wait_for(lambda: "ValueError: no such fish" in served.log)
    assert "Request fishing: run() raised" in served.log
    assert served.problem("POST", "/score", "exit") == (500, "run-failed")
    assert served.score("still here") == "still here"


def test_a_query_is_the_text_of_a_get(served: Server) -> None:
    assert json.loads(json.loads(served.get("/score?a=1&b=x%20y&c=")[1])) == {"a": "1", "b": "x y", "c": ""}


def test_what_is_not_text_is_refused(served: Server) -> None:
    assert served.problem("POST", "/score", b"\xff\xfe") == (400, "request-not-text")
    assert served.score("grün".encode()) == "grün"


def test_other_routes_and_methods_are_named(served: Server) -> None:
    assert served.problem("GET", "/nowhere") == (404, "route-unknown")
    assert served.problem("POST", "/") == (405, "method-not-allowed")
    status, _, headers = served.request("DELETE", "/score")
    assert (status, headers["allow"]) == (405, "GET, POST")
    status, _, headers = served.request("OPTIONS", "/score", Origin="http://a")
    assert status == 405
    assert not any(name.startswith("access-control") for name in headers)


def test_request_ids_are_echoed_or_made(served: Server) -> None:
    headers = served.request("POST", "/score", "a", x_ms_client_request_id="mine-1_A")[2]
    assert headers["x-ms-client-request-id"] == "mine-1_A"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-request-id"])
    headers = served.request("POST", "/score", "a", x_request_id="given", x_ms_client_request_id="not valid!")[2]
    assert headers["x-request-id"] == "given"
    assert "x-ms-client-request-id" not in headers


def test_each_request_is_one_line_and_its_query_is_not_in_it(served: Server) -> None:
    served.request("POST", "/score?key=secret", "four", x_request_id="line-1", x_ms_client_request_id="c1")
    served.wait_for(lambda: "id=line-1" in served.log)
    (line,) = [line for line in served.log.splitlines() if "id=line-1" in line]
    assert re.fullmatch(r"\S+Z POST /score 200 \d+\.\d\dms in=4 out=6 id=line-1 client=c1", line)
    assert "secret" not in served.log
    assert " GET / 200" not in served.log


def test_a_kept_connection_answers_in_order_also_when_all_is_sent_at_once(served: Server) -> None:
    bodies = [b"%d" % number * (number + 1) for number in range(50)]
    content = b"".join(post(body) for body in bodies) + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with served.connect() as sock:
        sock.sendall(content)
        answers = read_all(sock)
    found = re.findall(rb"\r\n\r\n(\"[^\"]*\")", answers)
    assert found == [b'"%s"' % body for body in bodies] + [b'"Healthy"']


def test_many_requests_at_once_of_a_caller_that_says_no_more_are_all_answered(served: Server) -> None:
    import socket

    probe = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with served.connect() as sock:
        sock.sendall(probe * 500 + post(b"last"))
        sock.shutdown(socket.SHUT_WR)
        answers = read_all(sock)
    assert answers.count(b'"Healthy"') == 500
    assert answers.endswith(b'"last"')


def test_a_request_that_comes_byte_by_byte_is_a_request(served: Server) -> None:
    with served.connect() as sock:
        for byte in post(b"slow", b"Connection: close"):
            sock.send(bytes((byte,)))
        assert read_all(sock).endswith(b'"slow"')


def test_chunks_and_an_expected_100_are_understood(served: Server) -> None:
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    chunks = b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    assert served.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).endswith(b'"abcde"')
    with served.connect() as sock:
        sock.sendall(head + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert read_all(sock).endswith(b'"ok"')


def test_large_bodies_pass_both_ways_while_the_reader_is_slow(served: Server) -> None:
    body = b"x" * 20_000_000
    with served.connect() as sock:
        sock.sendall(post(body, b"Connection: close"))
        time.sleep(0.3)
        answer = read_all(sock)
    assert answer.endswith(b'"' + body + b'"')


def test_what_cannot_be_read_is_answered_and_the_connection_closed(served: Server) -> None:
    answer = served.raw(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / ")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"request-malformed"' in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_http_1_0_gets_an_end_unless_it_wants_none(served: Server) -> None:
    assert b"connection: close" in served.raw(b"GET / HTTP/1.0\r\n\r\n")
    with served.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"connection: keep-alive" in sock.recv(1000)


def test_a_caller_that_says_no_more_still_gets_its_answer(served: Server) -> None:
    import socket

    with served.connect() as sock:
        sock.sendall(post(b"half"))
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).endswith(b'"half"')
