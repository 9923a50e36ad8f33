"""A process that has the script loaded: one socket a thread, one request at a time on each.

With one thread `run()` is called on the thread that called `init()`, the process's first.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from typing import Any, Callable, Tuple

from .answers import JSON, problem
from .ending import CODES, Ending, write_all
from .raw import RawRequest
from .results import NotUsable, convert
from .script import Script, load
from .settings import Settings, read_settings
from .swagger import swagger_of

TO_WORKER = struct.Struct("!II")
FROM_WORKER = struct.Struct("!HII")
HELLO, FAILED = 0, 1
BUFFER = 1 << 20
JOINED = 8 << 10
MOST = 1 << 30  # bytes of an answer

Reply = Tuple[int, bytes, bytes]


def work(handles: "list[int]") -> int:
    """Load the script and run requests until the server closes the sockets; give the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    socks = [socket.socket(fileno=handle) for handle in handles]
    for sock in socks:
        sock.set_inheritable(False)
    began = time.monotonic()
    try:
        settings = read_settings()
        script = load(settings)
    except Ending as ending:
        send(socks[0], FAILED, b"", json.dumps({"id": ending.id, "text": ending.text}).encode())
        sys.stdout.flush()
        return CODES[ending.id]
    hello = {"raw": script.raw, "swagger": swagger_of(script, settings), "seconds": time.monotonic() - began}
    one = caller(script, settings)
    # What the script is goes first: a thread that greets before it would be given requests the server cannot judge yet.
    try:
        send(socks[0], HELLO, b"", json.dumps(hello).encode())
    except ConnectionError:
        return 0
    for sock in socks[1:]:
        threading.Thread(target=_greet_and_serve, args=(sock, one), daemon=True).start()
    _serve(socks[0], one)
    return 0


def _greet_and_serve(sock: socket.socket, call: Callable[[bytes, memoryview], Reply]) -> None:
    try:
        send(sock, HELLO, b"", b"")
    except ConnectionError:
        return
    _serve(sock, call)


def _serve(sock: socket.socket, call: Callable[[bytes, memoryview], Reply]) -> None:
    """Answer requests of one socket until it is closed."""
    # One buffer for all requests: a new one for each large body would cost more than reading it.
    kept = memoryview(bytearray(BUFFER))
    try:
        while True:
            room, got = kept, sock.recv_into(kept)
            if not got:
                return
            while got < TO_WORKER.size:
                got += _more(sock, room[got:])
            meta, size = TO_WORKER.unpack_from(room)
            whole = TO_WORKER.size + meta + size
            if whole > BUFFER:
                room = memoryview(bytearray(whole))
                room[:got] = kept[:got]
            while got < whole:
                got += _more(sock, room[got:whole])
            middle = TO_WORKER.size + meta
            send(sock, *call(bytes(room[TO_WORKER.size : middle]), room[middle:whole]))
    except (EOFError, ConnectionError):
        return


def _more(sock: socket.socket, room: memoryview) -> int:
    got = sock.recv_into(room)
    if not got:
        raise EOFError
    return got


def send(sock: socket.socket, status: int, head: bytes, body: bytes) -> None:
    """Send an answer to the server."""
    content = FROM_WORKER.pack(status, len(head), len(body)) + head
    if len(body) <= JOINED:
        sock.sendall(content + body)
    else:
        sock.sendall(content)
        sock.sendall(body)


def caller(script: Script, settings: Settings) -> Callable[[bytes, memoryview], Reply]:
    """Give the function that turns a request into an answer by `run()`."""
    run, raw, named = script.run, script.raw, script.named
    failed = settings.failed_status

    def call(meta: bytes, body: memoryview) -> Reply:
        try:
            given: Any
            if raw:
                given = RawRequest(meta.partition(b"\n")[2], bytes(body))
            else:
                try:
                    given = str(body, "utf-8")
                except UnicodeDecodeError:
                    return 400, JSON, problem("request-not-text", "The body is not UTF-8 text.", meta)
                if named is not None:
                    try:
                        given = named(given)
                    except ValueError as error:
                        return 400, JSON, problem("request-not-fitting", str(error), meta)
            result = run(**given) if named is not None and not raw else run(given)
        except BaseException as error:
            request_id = meta.partition(b"\n")[0]
            _explain(request_id, error)
            return failed, JSON, problem("run-failed", "run() raised an exception. The log says which.", request_id)
        try:
            reply = convert(result)
            if len(reply[2]) > MOST:
                raise NotUsable(f"What run() gave is larger than {MOST} bytes.")
            return reply
        except NotUsable as error:
            request_id = meta.partition(b"\n")[0]
            write_all(2, f"Request {request_id.decode('latin-1')}: {error}\n".encode("utf-8", "replace"))
            return failed, JSON, problem("result-not-usable", str(error), request_id)

    return call


def _explain(request_id: bytes, error: BaseException) -> None:
    lines = traceback.format_exception(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
    said = f"Request {request_id.decode('latin-1')}: run() raised\n" + "".join(lines)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        pass
    write_all(2, said.encode("utf-8", "replace"))
