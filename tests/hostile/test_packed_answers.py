"""Answers of clusters and models that unpack to a thousand or a million times what was sent: only what was asked for is unpacked."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import zlib
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
import urllib3

from compute.kube.aclient import Answer, AsyncKubeClient
from compute.kube.config import Connection
from compute.kube.errors import ServerFault
from compute.kube.streams import ByteStream
from endpoints.calling import MOST_SHOWN, _read
from tests.hostile.readers import bounded

MIB = 1024 * 1024


def zeros(mib: int) -> bytes:
    """Return that much of zeros, packed as gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(mib)), packer.flush()])


@contextlib.contextmanager
def answering(body: bytes, encoding: str, *, chunked: bool = False) -> Iterator[str]:
    """Answer one request with a body that says how it is packed; give the address."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {encoding}\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {len(body)}\r\n\r\n"
    whole = head.encode() + (b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with contextlib.suppress(OSError):
                taken, _ = listening.accept()
                with taken:
                    taken.recv(65536)
                    taken.sendall(whole)
                    taken.recv(1)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    thread.join(5)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(zeros(400), 9)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_api_servers_answer_is_unpacked_no_further_than_it_may_be_long(chunked: bool, bomb: bytes) -> None:
    with answering(bomb, "gzip, gzip", chunked=chunked) as url, urllib3.PoolManager(retries=False) as pool, bounded():
        with pytest.raises(ServerFault):
            ByteStream(pool.request("GET", url, preload_content=False)).read(MIB)


async def test_nor_is_one_that_is_read_beside_others() -> None:
    with answering(zeros(400), "gzip") as url, bounded():
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            answer = Answer(response, AsyncKubeClient(Connection(server="https://localhost")))
            with pytest.raises(ServerFault):
                await answer.read(MIB)


def test_a_models_answer_is_unpacked_no_further_than_it_is_shown(bomb: bytes) -> None:
    for body, encoding, size in ((zeros(400), "gzip", MOST_SHOWN + 1), (bomb, "gzip, gzip", len(bomb)), (gzip.compress(b"{}"), "gzip", 2)):
        with answering(body, encoding) as url, httpx.Client() as client, client.stream("GET", url) as response, bounded():
            assert len(_read(response)) == size


def test_one_that_is_not_packed_as_it_says_is_told() -> None:
    with answering(b"not packed", "gzip") as url, httpx.Client() as client, client.stream("GET", url) as response:
        with pytest.raises(httpx.DecodingError):
            _read(response)
