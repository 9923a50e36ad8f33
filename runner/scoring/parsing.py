"""HTTP/1.1 requests out of bytes, strictly: what two readers could understand in two ways is refused."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple, Union

# A token's characters; what a field's value may hold (no control characters but the tab).
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb"{1,32}) ([!-~]+) HTTP/([0-9])\.([0-9])\r\n")
FIELDS = re.compile(rb"(?:" + TOKEN + rb"+:[\t -~\x80-\xff]*\r\n)*")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]*)?\Z")
REQUEST_ID = re.compile(rb"[!-~]{1,128}")
CLIENT_ID = re.compile(rb"[A-Za-z0-9_-]{1,40}")
MAX_TARGET, MAX_FIELDS, MAX_CHUNK_LINE, MAX_TRAILERS = 8192, 100, 4096, 8192
SEEN = frozenset(
    (
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"host",
        b"expect",
        b"origin",
        b"x-request-id",
        b"x-ms-client-request-id",
    )
)


class Refusal(Exception):
    """A request that cannot be taken; the connection ends with it."""

    def __init__(self, status: int, id: str, text: str) -> None:
        super().__init__(text)
        self.status, self.id, self.text = status, id, text


class Request:
    """One request, whole."""

    __slots__ = (
        "answered",
        "at",
        "body",
        "client_id",
        "connection",
        "expects",
        "head",
        "keep_alive",
        "method",
        "minor",
        "origin",
        "path",
        "query",
        "request_id",
    )

    def __init__(self) -> None:
        self.method = self.path = self.query = self.head = self.body = b""
        self.request_id = self.client_id = self.origin = b""
        self.minor = 1
        self.keep_alive = True
        self.expects = False
        self.answered = False
        self.at = 0.0
        self.connection: object = None


class Reader:
    """Takes bytes as they come and gives requests as they are whole; how the bytes were split changes nothing."""

    __slots__ = (
        "_buffer",
        "_chunk",
        "_gathered",
        "_length",
        "_max_body",
        "_max_head",
        "_parts",
        "_request",
        "_searched",
        "_trailers",
    )

    def __init__(self, max_head: int, max_body: int) -> None:
        self._max_head, self._max_body = max_head, max_body
        self._buffer = b""
        self._searched = 0
        self._request: Optional[Request] = None
        self._length = -1  # bytes that the body still lacks; -1: chunked
        self._chunk = 0  # of the present chunk: bytes still to come; -1: its end; -2: the trailers
        self._parts: List[Union[bytes, memoryview]] = []
        self._gathered = bytearray()
        self._trailers = 0

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        if self._request is not None and self._length > 0:  # a long body is gathered, not joined again and again
            if len(data) <= self._length:
                self._parts.append(data)
                self._length -= len(data)
                return
            self._parts.append(data[: self._length])
            data = data[self._length :]
            self._length = 0
        self._buffer = self._buffer + data if self._buffer else data

    @property
    def begun(self) -> Optional[Request]:
        """The request whose body is not whole yet."""
        return self._request

    @property
    def waiting(self) -> int:
        """How many bytes are here that belong to no request yet."""
        return len(self._buffer)

    def next(self) -> Optional[Request]:
        """Give the next whole request; None until more has come; raise Refusal."""
        request = self._request
        if request is None:
            request = self._head()
            if request is None:
                return None
        if self._length >= 0:
            if self._length > len(self._buffer):
                if self._buffer:
                    self._parts.append(self._buffer)
                    self._length -= len(self._buffer)
                    self._buffer = b""
                return None
            if self._length:
                self._parts.append(self._buffer[: self._length])
                self._buffer = self._buffer[self._length :]
            if self._parts:
                first = self._parts[0]
                request.body = first if len(self._parts) == 1 and isinstance(first, bytes) else b"".join(self._parts)
                self._parts = []
        elif self._chunks():
            request.body = bytes(self._gathered)
            self._gathered = bytearray()
        else:
            return None
        self._request = None
        return request

    def _head(self) -> Optional[Request]:
        buffer = self._buffer
        while buffer[:2] == b"\r\n":  # an empty line before a request is passed over
            buffer = self._buffer = buffer[2:]
            self._searched = 0
        end = buffer.find(b"\r\n\r\n", self._searched)
        if end < 0:
            if len(buffer) > self._max_head:
                raise self._too_long(buffer)
            self._searched = max(len(buffer) - 3, 0)
            return None
        if end > self._max_head:
            raise self._too_long(buffer)
        self._searched = 0
        head = buffer[: end + 2]
        request, length = read_head(head)
        if length > self._max_body:
            raise too_large(self._max_body)
        here = len(buffer) - end - 4
        if length > here > 0:  # a body's beginning is not copied before its end is here
            self._parts.append(memoryview(buffer)[end + 4 :])
            self._buffer = b""
            length -= here
        else:
            self._buffer = buffer[end + 4 :]
        self._request, self._length, self._chunk, self._trailers = request, length, 0, 0
        return request

    def _too_long(self, buffer: bytes) -> Refusal:
        line = buffer.find(b"\r\n")
        if line < 0 or line > MAX_TARGET + 64:
            return Refusal(414, "request-target-too-long", f"The request line is longer than {MAX_TARGET} bytes.")
        return Refusal(431, "request-headers-too-large", f"The headers are larger than {self._max_head} bytes.")

    def _chunks(self) -> bool:
        """Take chunks as far as they are here; tell whether the body is whole."""
        buffer, at = self._buffer, 0
        try:
            while True:
                if self._chunk > 0:
                    part = buffer[at : at + self._chunk]
                    if not part:
                        return False
                    self._gathered += part
                    at += len(part)
                    self._chunk -= len(part)
                    if self._chunk:
                        return False
                    self._chunk = -1
                if self._chunk == -1:
                    if len(buffer) - at < 2:
                        return False
                    if buffer[at : at + 2] != b"\r\n":
                        raise malformed("A chunk is longer than it said.")
                    at += 2
                    self._chunk = 0
                end = self._line_end(buffer, at)
                if end < 0:
                    return False
                line, at = buffer[at:end], end + 2
                if self._chunk == -2:
                    if not line:
                        return True
                    self._trailer(line)
                else:
                    self._chunk = self._size_of(line) or -2
        finally:
            self._buffer = buffer[at:]

    def _size_of(self, line: bytes) -> int:
        found = CHUNK.match(line)
        if found is None:
            raise malformed("The size of a chunk cannot be read.")
        size = int(found.group(1), 16)
        if len(self._gathered) + size > self._max_body:
            raise too_large(self._max_body)
        return size

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line) + 2
        if self._trailers > MAX_TRAILERS:
            raise Refusal(431, "request-headers-too-large", f"The trailers are larger than {MAX_TRAILERS} bytes.")
        if not FIELDS.fullmatch(line + b"\r\n"):
            raise malformed("A trailer cannot be read.")

    @staticmethod
    def _line_end(buffer: bytes, at: int) -> int:
        end = buffer.find(b"\r\n", at, at + MAX_CHUNK_LINE + 2)
        if end < 0 and len(buffer) - at >= MAX_CHUNK_LINE + 2:
            raise malformed("A line of the body's framing is too long.")
        return end


def read_head(head: bytes) -> Tuple[Request, int]:
    """Read request line and fields, each with its line end; give the request and its body's length, -1 for chunks."""
    line = REQUEST_LINE.match(head)
    if line is None:
        raise malformed("The request line cannot be read.")
    method, target, major, minor = line.groups()
    if len(target) > MAX_TARGET:
        raise Refusal(414, "request-target-too-long", f"The request line is longer than {MAX_TARGET} bytes.")
    if major != b"1":
        raise Refusal(505, "http-version-unknown", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    start = line.end()
    if not FIELDS.fullmatch(head, start):
        raise malformed("A header cannot be read.")
    request = Request()
    request.method, request.head = method, head
    request.minor = 1 if minor != b"0" else 0
    request.path, request.query = split_target(method, target)
    fields = head[start:-2].split(b"\r\n") if len(head) > start else []
    if len(fields) > MAX_FIELDS:
        raise Refusal(431, "request-headers-too-large", f"There are more than {MAX_FIELDS} headers.")
    seen: Dict[bytes, bytes] = {}
    for field in fields:
        name, _, value = field.partition(b":")
        name = name.lower()
        if name in SEEN:
            if name in seen:
                if name == b"connection":
                    value = seen[name] + b"," + value
                elif name in (b"content-length", b"transfer-encoding", b"host", b"expect"):
                    raise malformed(f"There are two headers {name.decode()}.")
            seen[name] = value.strip(b" \t")
    return request, _understand(request, seen)


def _understand(request: Request, seen: Dict[bytes, bytes]) -> int:
    """Put what the headers say into the request; give the body's length, -1 for chunks."""
    if b"host" not in seen and request.minor:
        raise malformed("A request of HTTP/1.1 needs the header Host.")
    connection = seen.get(b"connection", b"").lower()
    if connection:
        options = [option.strip(b" \t") for option in connection.split(b",")]
        request.keep_alive = b"close" not in options and (request.minor == 1 or b"keep-alive" in options)
    else:
        request.keep_alive = request.minor == 1
    given = seen.get(b"x-request-id")
    if given and REQUEST_ID.fullmatch(given):
        request.request_id = given
    given = seen.get(b"x-ms-client-request-id")
    if given and CLIENT_ID.fullmatch(given):
        request.client_id = given
    request.origin = seen.get(b"origin", b"")
    given = seen.get(b"expect")
    if given is not None and request.minor:
        if given.lower() != b"100-continue":
            raise Refusal(417, "expectation-unknown", "The header Expect may say 100-continue only.")
        request.expects = True
    return _length(request, seen.get(b"content-length"), seen.get(b"transfer-encoding"))


def _length(request: Request, length: Optional[bytes], coding: Optional[bytes]) -> int:
    if coding is not None:
        if length is not None:
            raise malformed("Content-Length and Transfer-Encoding exclude each other.")
        if not request.minor:
            raise malformed("HTTP/1.0 has no Transfer-Encoding.")
        if coding.lower() != b"chunked":
            raise Refusal(501, "transfer-encoding-unknown", "The only Transfer-Encoding taken here is chunked.")
        return -1
    if length is None:
        return 0
    if not length.isdigit() or len(length) > 18:
        raise malformed("Content-Length is not a number.")
    return int(length)


def split_target(method: bytes, target: bytes) -> Tuple[bytes, bytes]:
    """Give path and query of a request's target."""
    if target[:1] != b"/":
        if target == b"*" and method == b"OPTIONS":
            return target, b""
        scheme, mark, rest = target.partition(b"://")
        if not mark or scheme.lower() not in (b"http", b"https"):
            raise malformed("The request's target is not a path.")
        target = b"/" + rest.partition(b"/")[2]
    path, _, query = target.partition(b"?")
    return path, query


def malformed(text: str) -> Refusal:
    """Give the refusal of something that is not HTTP."""
    return Refusal(400, "request-malformed", text)


def too_large(most: int) -> Refusal:
    """Give the refusal of a body that is too large."""
    return Refusal(413, "request-too-large", f"The body is larger than {most} bytes.")
