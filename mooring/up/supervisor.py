"""Bring the children up in order, start again what dies, and take them down in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from mooring.up import child as children
from mooring.up.child import Child
from mooring.up.output import Log
from mooring.up.plan import ChildPlan


@dataclass(frozen=True)
class Timing:
    """How patient the supervisor is, in seconds (and deaths in a row)."""

    first_delay: float = 0.5
    longest_delay: float = 30
    stable_after: float = 30  # a child that lived this long has its deaths forgotten
    deaths_reported: int = 5
    stop_within: float = 10


@dataclass
class Standing:
    """What is known of one child; `status.json` has a list of these."""

    name: str
    state: str = "not started"  # starting, running, waiting, failing, stopping, ended
    pid: int | None = None
    restarts: int = 0
    deaths_in_a_row: int = 0
    since: str = ""
    last_exit: str = ""


class Supervisor:
    """Keep the children of one plan running until told to stop.

    `run` returns 0 after a stop that was asked for, and 1 when the first start failed.
    """

    def __init__(
        self,
        plans: list[ChildPlan],
        log: Log,
        *,
        status_file: Path,
        facts: dict[str, object] | None = None,
        timing: Timing | None = None,
        when_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._plans = plans
        self._log = log
        self._status_file = status_file
        self._facts = {"pid": os.getpid(), "started": _now(), **(facts or {})}
        self._timing = timing or Timing()
        self._when_ready = when_ready
        self._running: dict[str, Child] = {}
        self._standing = {plan.name: Standing(plan.name) for plan in plans}
        self._keepers: list[asyncio.Task[None]] = []
        self._exit_code = 0

    async def run(self) -> int:
        """Start everything, stay until SIGINT, SIGTERM or SIGHUP, stop everything."""
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        bringing_up = asyncio.create_task(self._bring_up())
        await self._stopping.wait()
        await self._take_down()
        await asyncio.gather(bringing_up, *self._keepers)
        self._write_status()
        return self._exit_code

    def stop(self) -> None:
        """Begin to stop; asked a second time, kill what is left."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def _bring_up(self) -> None:
        began = time.monotonic()
        first_ready: list[asyncio.Task[bool]] = []
        for plan in self._plans:
            if self._stopping.is_set():
                return
            if plan.once:
                # What runs once needs what was started before it.
                if not all(await asyncio.gather(*first_ready)) or not await self._run_once(plan):
                    self._give_up()
                    return
            else:
                ready = asyncio.Event()
                self._keepers.append(asyncio.create_task(self._keep(plan, ready)))
                first_ready.append(asyncio.create_task(self._first(plan, ready)))
        if all(await asyncio.gather(*first_ready)):
            self._log.say(f"ready after {time.monotonic() - began:.1f} s")
            self._when_ready()

    def _give_up(self) -> None:
        if not self._stopping.is_set():
            self._exit_code = 1
            self.stop()

    async def _first(self, plan: ChildPlan, ready: asyncio.Event) -> bool:
        """Wait until a child is ready for the first time; false after its time is over or when all stops."""
        waits = [asyncio.create_task(ready.wait()), asyncio.create_task(self._stopping.wait())]
        await asyncio.wait(waits, timeout=plan.ready.within_seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not ready.is_set() and not self._stopping.is_set():
            self._log.say(f"{plan.name} has not become ready within {plan.ready.within_seconds:.0f} s")
        return ready.is_set()

    async def _run_once(self, plan: ChildPlan) -> bool:
        """Run what runs once to its end. When it was killed, as for want of memory, it is run again: nothing was wrong with it."""
        standing = self._standing[plan.name]
        while (child := self._start(plan)) is not None:
            await child.wait()
            self._mark(plan, "ended", last_exit=child.exit)
            killed = child.process.returncode < 0
            if not killed or self._stopping.is_set() or standing.restarts + 1 == self._timing.deaths_reported:
                break
            standing.restarts += 1
            delay = self._delay(standing.restarts)
            self._log.say(f"{plan.name} ended ({child.exit}); running it again in {delay:g} s")
            await self._pause(delay)
        if child is None:
            return False
        if child.process.returncode and not self._stopping.is_set():
            self._log.say(f"{plan.name} failed ({child.exit}); its last lines are above. What was started is stopped again.")
        return child.process.returncode == 0

    async def _keep(self, plan: ChildPlan, ready: asyncio.Event) -> None:
        """Run one child for as long as the supervisor lives, with longer and longer pauses while it keeps dying."""
        while not self._stopping.is_set():
            child = self._start(plan)
            if child is not None:
                if await children.is_ready(child):
                    ready.set()
                    self._mark(plan, "running")
                await child.wait()
            if self._stopping.is_set():
                break
            await self._after_death(plan, child)
        self._mark(plan, "ended")

    async def _after_death(self, plan: ChildPlan, child: Child | None) -> None:
        standing = self._standing[plan.name]
        lived = time.monotonic() - child.started if child else 0
        standing.deaths_in_a_row = 1 if lived >= self._timing.stable_after else standing.deaths_in_a_row + 1
        standing.restarts += 1
        how = child.exit if child else "could not be started"
        delay = self._delay(standing.deaths_in_a_row)
        failing = standing.deaths_in_a_row >= self._timing.deaths_reported
        self._mark(plan, "failing" if failing else "waiting", last_exit=how)
        self._log.say(f"{plan.name} ended ({how}) after {lived:.1f} s; starting it again in {delay:g} s")
        if standing.deaths_in_a_row == self._timing.deaths_reported:
            self._log.say(
                f"{plan.name} has now ended {standing.deaths_in_a_row} times in a row: look at its lines above."
                " It is tried again from time to time; the others stay up."
            )
        if child is not None:
            await self._tidy_after(plan, child.pid)
        await self._pause(delay)

    def _delay(self, deaths: int) -> float:
        """Return how many seconds to leave a child alone after so many deaths in a row: twice as long each time."""
        return min(self._timing.first_delay * 2 ** (deaths - 1), self._timing.longest_delay)

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until all stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _tidy_after(self, plan: ChildPlan, pid: int) -> None:
        """Run what the plan asks for after a death, for five seconds at most."""
        if not plan.after_death:
            return
        command = tuple(part.format(pid=pid) for part in plan.after_death)
        tidy = ChildPlan(plan.name, command, plan.environment, plan.folder, once=True)
        with contextlib.suppress(OSError):
            child = children.start(tidy, self._log.line)
            if not await child.wait(5):
                child.signal(signal.SIGKILL)
                await child.wait(1)

    async def _take_down(self) -> None:
        """Stop the children in reverse order within the time given, the last ones with at least half a second each."""
        self._log.say("stopping")
        deadline = time.monotonic() + self._timing.stop_within
        left = [plan for plan in reversed(self._plans) if (c := self._running.get(plan.name)) and not c.ended.is_set()]
        for index, plan in enumerate(left):
            child = self._running[plan.name]
            self._mark(plan, "stopping")
            child.signal(signal.SIGTERM)
            reserved = 0.5 * (len(left) - index - 1)
            if await self._ended_or_hurry(child, max(deadline - time.monotonic() - reserved, 0.5)):
                continue
            self._log.say(f"{plan.name} did not stop in time: killing it")
            child.signal(signal.SIGKILL)
            await child.wait(2)
            await self._tidy_after(plan, child.pid)

    async def _ended_or_hurry(self, child: Child, seconds: float) -> bool:
        waits = [asyncio.create_task(child.ended.wait()), asyncio.create_task(self._hurry.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return child.ended.is_set()

    def _start(self, plan: ChildPlan) -> Child | None:
        try:
            child = children.start(plan, self._log.line)
        except OSError as error:
            self._log.say(f"{plan.name} cannot be started: {error.strerror}: {plan.command[0]}")
            self._mark(plan, "waiting", last_exit=f"could not be started: {error.strerror}")
            return None
        self._running[plan.name] = child
        self._mark(plan, "starting", pid=child.pid)
        return child

    def _mark(self, plan: ChildPlan, state: str, *, pid: int | None = None, last_exit: str = "") -> None:
        standing = self._standing[plan.name]
        standing.since = standing.since if state == standing.state else _now()
        standing.state = state
        standing.last_exit = last_exit or standing.last_exit
        alive = state in ("starting", "running", "stopping")
        standing.pid = (pid or standing.pid) if alive else None
        self._write_status()

    def _write_status(self) -> None:
        """Replace status.json whole, so that a reader never sees half of it."""
        status = {"version": 1, **self._facts, "children": [asdict(one) for one in self._standing.values()]}
        draft = self._status_file.with_suffix(".draft")
        with contextlib.suppress(OSError):  # a full disk must not take the studio down
            draft.write_text(json.dumps(status, indent=1), encoding="utf-8")
            draft.replace(self._status_file)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
