"""Requests out of bytes, however they are split, and what is refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.scoring.parsing import Reader, Refusal, Request

MOST = 100_000


def outcome(pieces: list[bytes], max_head: int = 32768, max_body: int = MOST) -> tuple[list[tuple[object, ...]], object]:
    """Feed pieces as a connection does; give the requests and the refusal, if any."""
    reader, found = Reader(max_head, max_body), []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (request := reader.next()) is not None:
                found.append(shown(request))
    except Refusal as refusal:
        return found, (refusal.status, refusal.id)
    return found, None


def shown(request: Request) -> tuple[object, ...]:
    return request.method, request.path, request.query, request.body, request.keep_alive, request.request_id, request.client_id


def refused(content: bytes, **limits: int) -> object:
    found, refusal = outcome([content], **limits)
    assert found == []
    return refusal


def one(content: bytes) -> tuple[object, ...]:
    found, refusal = outcome([content])
    assert refusal is None, refusal
    (request,) = found
    return request


def get(*fields: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([line, *fields]) + b"\r\n\r\n"


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return get(b"Host: x", *fields, line=b"POST /score HTTP/1.1") + body


def in_chunks(parts: list[bytes]) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n")


STREAM = (
    post(b"Content-Length: 5", b"X-Request-ID: one", body=b"hello")
    + in_chunks([b"some", b" ", b"chunks\r\n"])
    + b"\r\n"
    + get(b"host:y", b"x-ms-client-request-id: a_b-9", line=b"GET /score?a=1&b HTTP/1.1")
    + post(b"Content-Length: 0", b"Connection: close")
)


def test_a_stream_split_at_every_byte_is_the_same_stream() -> None:
    whole = outcome([STREAM])
    assert len(whole[0]) == 4
    assert whole[1] is None
    assert outcome([STREAM[at : at + 1] for at in range(len(STREAM))]) == whole
    for at in range(len(STREAM)):
        assert outcome([STREAM[:at], STREAM[at:]]) == whole, at


bodies = st.binary(max_size=3000)
requests = st.one_of(
    bodies.map(lambda body: post(b"Content-Length: %d" % len(body), body=body)),
    st.lists(bodies, max_size=5).map(in_chunks),
    st.just(get(b"Host: x")),
)


@given(st.lists(requests, min_size=1, max_size=4), st.lists(st.integers(0, 5000), max_size=8))
def test_requests_come_out_as_they_went_in_wherever_they_are_split(stream: list[bytes], cuts: list[int]) -> None:
    content = b"".join(stream)
    edges = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    whole = outcome([content])
    assert len(whole[0]) == len(stream)
    assert outcome([content[start:end] for start, end in itertools.pairwise(edges)]) == whole


@given(st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(0, 255)), max_size=4), st.integers(1, 40))
def test_a_damaged_stream_is_read_or_refused_and_never_breaks_the_reader(damage: list[tuple[int, int]], step: int) -> None:
    content = bytearray(STREAM)
    for at, value in damage:
        content[at] = value
    whole = outcome([bytes(content)])
    assert outcome([bytes(content[at : at + step]) for at in range(0, len(content), step)]) == whole


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    outcome([content])
    outcome([b"POST /score HTTP/1.1\r\nHost: x\r\n" + content])
    outcome([post(b"Transfer-Encoding: chunked") + content])


@pytest.mark.parametrize(
    "content",
    [
        post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
        post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post(b"Content-Length: +3", body=b"abc"),
        post(b"Content-Length: 3,3", body=b"abc"),
        post(b"Content-Length: 0x3", body=b"abc"),
        post(b"Content-Length: ", body=b"abc"),
        post(b"Content-Length: " + b"9" * 40),
        post(b"Content-Length : 3", body=b"abc"),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        get(b"Transfer-Encoding: chunked", line=b"POST /score HTTP/1.0") + b"0\r\n\r\n",
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhelloX\r\n0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked", body=b"0x5\r\nhello\r\n0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked", body=b"\r\n"),
        post(b"Transfer-Encoding: chunked", body=b"1" + b"0" * 5000),
        post(b"Transfer-Encoding: chunked", body=b"0\r\nbad trailer\r\n\r\n"),
        get(b"Host: x", b"Host: y"),
        get(),
        get(b"Host: x", b"folded: a", b" b"),
        get(b"Host: x", b"no-colon"),
        get(b"Host: x", b": no name"),
        get(b"Host: x", b"nul: a\x00b"),
        get(b"Host: x\nevil: 1"),
        get(b"Host: x", b"cr: a\rb"),
        get(b"Host: x", line=b"GET  / HTTP/1.1"),
        get(b"Host: x", line=b"GET / HTTP/1.1 "),
        get(b"Host: x", line=b"GET /\t HTTP/1.1"),
        get(b"Host: x", line=b"GET path HTTP/1.1"),
        get(b"Host: x", line=b"G\xc3\xa9T / HTTP/1.1"),
        get(b"Host: x", line=b"GET / http/1.1"),
        get(b"Host: x", line=b"GET / HTTP/1.10"),
        get(b"Host: x", line=b"GET /"),
    ],
)
def test_what_could_be_understood_in_two_ways_is_refused(content: bytes) -> None:
    assert refused(content) == (400, "request-malformed")


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    assert refused(post(b"Content-Length: 100001")) == (413, "request-too-large")
    assert refused(post(b"Transfer-Encoding: chunked", body=b"fffffffffff\r\n")) == (413, "request-too-large")
    assert refused(in_chunks([b"a" * 60000, b"b" * 60000])) == (413, "request-too-large")
    assert refused(get(b"Host: x", b"a: " + b"b" * 40000)) == (431, "request-headers-too-large")
    assert refused(b"GET / HTTP/1.1\r\na: " + b"b" * 40000) == (431, "request-headers-too-large")
    assert refused(get(*[b"a: b"] * 101)) == (431, "request-headers-too-large")
    assert refused(get(b"Host: x", line=b"GET /" + b"a" * 9000 + b" HTTP/1.1")) == (414, "request-target-too-long")
    assert refused(b"GET /" + b"a" * 40000) == (414, "request-target-too-long")


def test_what_is_not_spoken_here_is_said() -> None:
    assert refused(get(b"Host: x", line=b"GET / HTTP/2.0")) == (505, "http-version-unknown")
    assert refused(post(b"Transfer-Encoding: gzip, chunked")) == (501, "transfer-encoding-unknown")
    assert refused(post(b"Transfer-Encoding: xchunked")) == (501, "transfer-encoding-unknown")
    assert refused(post(b"Expect: a miracle")) == (417, "expectation-unknown")


def test_a_connection_stays_when_both_want_it() -> None:
    def stays(line: bytes, *fields: bytes) -> object:
        return one(get(b"Host: x", *fields, line=line))[4]

    assert stays(b"GET / HTTP/1.1")
    assert not stays(b"GET / HTTP/1.1", b"Connection: foo , CLOSE")
    assert not stays(b"GET / HTTP/1.1", b"Connection: keep-alive", b"Connection: close")
    assert not stays(b"GET / HTTP/1.0")
    assert stays(b"GET / HTTP/1.0", b"Connection: Keep-Alive")


def test_a_target_may_be_a_whole_address() -> None:
    assert one(get(b"Host: x", line=b"GET http://x:5001/score?a=b HTTP/1.1"))[1:3] == (b"/score", b"a=b")
    assert one(get(b"Host: x", line=b"OPTIONS * HTTP/1.1"))[1] == b"*"


def test_ids_that_do_not_fit_are_as_if_they_were_not_there() -> None:
    assert one(get(b"Host: x", b"x-request-id: " + b"a" * 129, b"x-ms-client-request-id: a b"))[5:] == (b"", b"")
    assert one(get(b"Host: x", b"x-request-id: a/b", b"x-ms-client-request-id: " + b"a" * 41))[5:] == (b"a/b", b"")


def test_many_small_chunks_take_time_in_proportion() -> None:
    content = in_chunks([b"ab"] * 40000)
    assert one(content)[3] == b"ab" * 40000
