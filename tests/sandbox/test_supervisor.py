from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import kubectl, process
from sandbox.errors import SandboxError
from sandbox.places import ClusterPlace, read_json, write_json
from tests.sandbox.conftest import until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
RECORDING = """
import pathlib, signal, sys
def end(*_):
    with pathlib.Path(sys.argv[1]).open("a") as file:
        file.write(sys.argv[2] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1] + "." + sys.argv[2]).touch()
while True:
    signal.pause()
"""
RECORDER = [sys.executable, "-c", RECORDING]


def _start(place: ClusterPlace, **components: list[str]) -> None:
    plan = {"components": [{"name": name, "argv": argv, "env": {}} for name, argv in components.items()]}
    write_json(place.plan, plan)
    process.start(place, namespaces=False)


def _state(place: ClusterPlace, name: str) -> dict[str, Any]:
    found: dict[str, Any] = read_json(place.health).get(name, {})
    return found


@pytest.fixture(autouse=True)
def _stopped(place: ClusterPlace) -> Any:
    yield
    process.stop(place)


def test_it_starts_a_component_again_that_was_killed(place: ClusterPlace) -> None:
    _start(place, sleeper=SLEEPER)
    first = until(lambda: _state(place, "sleeper").get("pid"))
    os.kill(first, signal.SIGKILL)
    second = until(lambda: _state(place, "sleeper").get("starts") == 2 and _state(place, "sleeper")["pid"])
    assert second != first
    assert _state(place, "sleeper")["exits"] == [-9]


def test_a_component_that_cannot_be_started_is_tried_again_and_does_not_end_the_others(place: ClusterPlace) -> None:
    _start(place, absent=["/nonexistent/program"], sleeper=SLEEPER)
    until(lambda: _state(place, "absent").get("starts", 0) >= 2)
    assert _state(place, "absent")["exits"][0] == 127
    assert _state(place, "sleeper")["pid"]


def test_it_stops_in_the_reverse_order_of_starting(place: ClusterPlace, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    _start(place, etcd=[*RECORDER, str(ends), "etcd"], api=[*RECORDER, str(ends), "api"])
    until(lambda: Path(f"{ends}.etcd").exists() and Path(f"{ends}.api").exists())
    process.stop(place)
    assert ends.read_text().split() == ["api", "etcd"]


def test_nothing_outlives_a_supervisor_that_was_killed(place: ClusterPlace) -> None:
    _start(place, sleeper=SLEEPER)
    child = until(lambda: _state(place, "sleeper").get("pid"))
    supervisor = process.inner_pid(place)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not process._since(child), what="the end of the component")
    assert not process.is_running(place)


def test_a_process_id_of_another_process_is_not_taken_for_the_supervisor(place: ClusterPlace) -> None:
    write_json(place.root / "supervisor.json", {"inner": os.getpid(), "inner_since": "an earlier boot:1"})
    assert process.inner_pid(place) is None
    process.stop(place)


@pytest.mark.slow
def test_a_component_that_keeps_dying_is_named_with_the_end_of_its_log(place: ClusterPlace) -> None:
    dying = [sys.executable, "-c", "print('the disk is full', flush=True); raise SystemExit(3)"]
    _start(place, etcd=dying)
    with pytest.raises(SandboxError, match="last with code 3") as caught:
        kubectl.wait_for_api(place, "1.36.3", seconds=60)
    assert caught.value.part == "etcd"
    assert caught.value.log[-1] == "the disk is full"
    assert not process.is_running(place)


def test_a_killed_component_starts_at_once_when_nudged(place: ClusterPlace) -> None:
    _start(place, dying=[sys.executable, "-c", "raise SystemExit(3)"])
    until(lambda: _state(place, "dying").get("starts", 0) >= 3)
    before = _state(place, "dying")["starts"]
    process.nudge(place)
    until(lambda: _state(place, "dying")["starts"] > before)
    assert set(_state(place, "dying")["exits"]) == {3}
