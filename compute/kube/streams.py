"""Answers of the sync client that are read as they come."""

import io
import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import urllib3

from compute.kube.errors import KubeError, NotKubernetes, ServerFault, from_status, own_errors
from compute.kube.transport import MAX_BODY


class ByteStream:
    """Read an answer as it arrives; close it, or use it in a ``with``."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def __iter__(self) -> Iterator[bytes]:
        """Yield bytes the moment they come; a read that waits longer than the time-out raises Timeout."""
        with own_errors(urllib3.exceptions.HTTPError, OSError):
            if getattr(self._response, "chunked", False):
                # In bounded pieces: a chunk of a kilobyte may unpack to a gigabyte.
                yield from self._response.read_chunked(65536, decode_content=True)
                return
            while piece := self._response.read1(65536, decode_content=True):
                yield piece

    def read(self, limit: int = MAX_BODY) -> bytes:
        """Return all of it; raise ServerFault when it is longer than the limit."""
        whole = bytearray()
        try:
            for piece in self:
                whole += piece
                if len(whole) > limit:
                    raise ServerFault(f"The answer is longer than {limit} bytes.")
        finally:
            self.close()
        return bytes(whole)

    def json(self) -> Any:
        """Return the answer's JSON; raise NotKubernetes when it is none."""
        return _decoded(self.read())

    def close(self) -> None:
        """Give the connection up; safe to call twice."""
        self._response.close()
        self._response.release_conn()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def unless_from_the_server(answer: ByteStream) -> ByteStream:
    """Raise when a JSON error is the API server's own; else return it again as the pod's answer."""
    body = answer.read(1024 * 1024)
    error: KubeError = from_status(answer.status, body, answer.headers)
    if not isinstance(error, NotKubernetes) and error.reason:
        raise error
    replay = urllib3.HTTPResponse(body=io.BytesIO(body), status=answer.status, headers=dict(answer.headers), preload_content=False)
    replay.chunked = False
    replay.length_remaining = len(body)
    return ByteStream(replay)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotKubernetes("The server answered with something that is not JSON.") from error
