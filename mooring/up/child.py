"""One child process: started with a leash, its log read line by line, its end noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mooring.up.plan import ChildPlan

_PR_SET_PDEATHSIG = 1
_LONGEST_LINE = 64 * 1024
# Loaded before any fork: between fork and exec nothing may be imported or allocated that is not already there.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Write = Callable[[str, str], None]


@dataclass(eq=False)
class Child:
    """A running child: its process, its last lines, and an event that is set when it has ended."""

    plan: ChildPlan
    process: subprocess.Popen[bytes]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = field(default_factory=time.monotonic)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    said_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit(self) -> str:
        """Say in words how it ended."""
        code = self.process.returncode
        if code is None:
            return "still running"
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and, for SIGKILL, to everything it started; nothing happens when it has ended."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end for at most `seconds`; return whether it has come."""
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            return False
        return True


def start(plan: ChildPlan, write: Write) -> Child:
    """Start a child in a session of its own and read its log from now on.

    Its own session keeps the terminal's Ctrl-C away from it: the supervisor alone decides when it stops. On Linux the
    kernel kills it when the supervisor dies, whatever the supervisor died of. Raises OSError when it cannot be started.
    """
    supervisor = os.getpid()
    process = subprocess.Popen(
        plan.command,
        env=dict(plan.environment),
        cwd=plan.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # The supervisor has one thread, so running Python between fork and exec is safe here.
        preexec_fn=lambda: _die_with(supervisor),
    )
    child = Child(plan, process)
    reading = asyncio.create_task(_read_log(child, write))
    child._tasks = [reading, asyncio.create_task(_notice_end(child, reading))]
    return child


async def is_ready(child: Child) -> bool:
    """Wait until the child is ready; return false when it ended first."""
    while not child.ended.is_set():
        if await _answers(child):
            return True
        await asyncio.sleep(0.05)
    return False


async def _answers(child: Child) -> bool:
    ready = child.plan.ready
    if ready.kind == "alive":
        return True
    if ready.kind == "line":
        return child.said_ready.is_set()
    try:
        async with asyncio.timeout(2):
            if ready.kind == "redis":
                return (await _ask_unix(ready.target, b"PING\r\n")).startswith(b"+PONG")
            request = f"GET /healthz HTTP/1.1\r\nHost: {ready.target}\r\nConnection: close\r\n\r\n".encode()
            answer = await _ask_tcp(ready.target, request)
            return re.match(rb"HTTP/1\.\d [234]", answer) is not None
    except (OSError, TimeoutError, EOFError):
        return False


async def _ask_unix(path: str, question: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    return await _first_line(reader, writer, question)


async def _ask_tcp(address: str, question: bytes) -> bytes:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    return await _first_line(reader, writer, question)


async def _first_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> bytes:
    try:
        writer.write(question)
        return await reader.readline()
    finally:
        writer.close()


async def _read_log(child: Child, write: Write) -> None:
    """Pass on the child's lines; a line longer than 64 KiB is passed on in pieces."""
    assert child.process.stdout is not None
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), child.process.stdout)
    pattern = child.plan.ready.pattern
    rest = b""
    while block := await reader.read(_LONGEST_LINE):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _pass_on(child, line, write, pattern)
    if rest:
        _pass_on(child, rest, write, pattern)


def _pass_on(child: Child, line: bytes, write: Write, pattern: re.Pattern[str] | None) -> None:
    text = line.decode(errors="replace").rstrip("\r")
    child.tail.append(text)
    if pattern is not None and pattern.search(text):
        child.said_ready.set()
    write(child.plan.name, text)


async def _notice_end(child: Child, reading: asyncio.Task[None]) -> None:
    await _exited(child.pid)
    # Whatever the child started is in its session: nothing of it may outlive it and hold the log or a port. It is not
    # reaped yet, so its number cannot belong to anybody else.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.process.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reading, 2)
    child.ended.set()


async def _exited(pid: int) -> None:
    """Wait for the process' end without a thread and without reaping it: by its pidfd, else by looking."""
    try:
        descriptor = os.pidfd_open(pid)  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            await asyncio.sleep(0.1)
        return
    loop = asyncio.get_running_loop()
    exited = asyncio.Event()
    loop.add_reader(descriptor, exited.set)
    try:
        await exited.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _die_with(supervisor: int) -> None:
    """Ask the kernel to kill this process when its parent dies (runs between fork and exec)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:  # it died before the kernel was asked
            os._exit(1)
