"""What surrounds the supervisor: the plan, the data folder's lock, addresses, and leases of the dead."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from mooring.errors import MooringError
from mooring.up import child, commands, lock, plan, preparation
from mooring.up.leases import free_leases

ROOT = Path(__file__).resolve().parents[2]


def a_layout(folder: Path, *listen: str, environment: dict[str, str] | None = None) -> plan.Layout:
    return plan.layout(folder, listen, {"MOORING_ROOT": str(ROOT), **(environment or {})})


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[plan.Layout]:
    """Run the Redis of a plan on its socket."""
    if not (shutil.which("redis-server") or shutil.which("valkey-server")):
        pytest.skip("there is no Redis on this machine")
    place = a_layout(tmp_path)
    preparation.make_folders(place)
    one = plan.children(place, {"MOORING_ROOT": str(ROOT)})[0]
    with subprocess.Popen(one.command, env=dict(one.environment), cwd=one.folder, stdout=subprocess.DEVNULL) as process:
        try:
            with redis.Redis(unix_socket_path=str(place.socket), retry=redis.retry.Retry(_patience(), 100)) as client:
                client.ping()
            yield place
        finally:
            process.terminate()


def _patience() -> redis.backoff.AbstractBackoff:
    return redis.backoff.ConstantBackoff(0.02)


def test_the_plan_has_redis_steps_and_services_in_order(tmp_path: Path) -> None:
    plans = plan.children(a_layout(tmp_path), {})
    assert [one.name for one in plans] == ["redis", "setup", "web", "worker", "beat"]
    assert [one.name for one in plans if one.once] == ["setup"]


def test_a_given_redis_is_used_and_none_is_started(tmp_path: Path) -> None:
    environment = {"REDIS_URL": "redis://elsewhere:6379/1"}
    plans = plan.children(a_layout(tmp_path), environment)
    assert "redis" not in [one.name for one in plans]
    assert {one.environment["REDIS_URL"] for one in plans} == {"redis://elsewhere:6379/1"}


def test_children_get_the_decided_environment_and_the_persons_own(tmp_path: Path) -> None:
    place = a_layout(tmp_path, "127.0.0.1:9001", "10.9.0.1:9001")
    web = next(one for one in plan.children(place, {"HTTPS_PROXY": "http://proxy"}) if one.name == "web")
    assert web.environment["MOORING_LISTEN"] == "127.0.0.1:9001,10.9.0.1:9001"
    assert web.environment["MOORING_DATA"] == str(tmp_path)
    assert web.environment["MOORING_POD_URL"] == "http://10.9.0.1:9001"
    assert web.environment["REDIS_URL"] == f"unix://{tmp_path}/run/redis.sock"
    assert web.environment["HTTPS_PROXY"] == "http://proxy"


def test_an_address_for_pods_that_was_given_is_kept(tmp_path: Path) -> None:
    plans = plan.children(a_layout(tmp_path, "10.9.0.1:9001"), {"MOORING_POD_URL": "https://studio.example"})
    assert plans[-1].environment["MOORING_POD_URL"] == "https://studio.example"


def test_redis_listens_on_no_port_and_gets_no_secrets(tmp_path: Path) -> None:
    one = plan.children(a_layout(tmp_path), {"MOORING_SECRET_KEY": "s"})[0]
    assert one.command[1:3] == ("--port", "0")
    assert "MOORING_SECRET_KEY" not in one.environment


def test_a_long_data_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    place = a_layout(deep)
    assert len(str(place.socket)) < 100
    assert place.socket != a_layout(tmp_path / ("e" * 90)).socket


def test_a_missing_redis_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MooringError) as caught:
        plan.children(a_layout(tmp_path), {})
    assert caught.value.id == "redis-missing"
    assert "REDIS_URL" in caught.value.todo


@pytest.mark.parametrize(
    ("listened", "asked"),
    [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), (":80", "127.0.0.1:80"), ("10.1.1.1:80", "10.1.1.1:80")],
)
def test_a_wildcard_is_asked_for_on_the_loopback(listened: str, asked: str) -> None:
    assert plan.reachable(listened) == asked


def test_an_address_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(MooringError, match="Another program listens"):
            preparation.check_addresses((address,), patience_seconds=0)


@pytest.mark.parametrize("address", ["8080", "127.0.0.1:http", "127.0.0.1:99999999", "203.0.113.7:80"])
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(MooringError) as caught:
        preparation.check_addresses((address,))
    assert caught.value.id == "address-unusable"


def test_folders_are_for_this_user_alone(tmp_path: Path) -> None:
    place = a_layout(tmp_path / "new")
    preparation.make_folders(place)
    assert [(tmp_path / "new" / part).stat().st_mode & 0o777 for part in ("", "run")] == [0o700, 0o700]


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MooringError) as caught:
        preparation.make_folders(a_layout(tmp_path / "file"))
    assert caught.value.id == "folder-unusable"


def test_a_second_start_is_told_who_runs_and_where(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    first, second = lock.FolderLock(tmp_path), lock.FolderLock(tmp_path)
    first.take(lock.Holder(41, "http://127.0.0.1:8080"))
    with pytest.raises(MooringError) as caught:
        second.take(lock.Holder(42, "http://127.0.0.1:8081"))
    assert "Process 41" in caught.value.detail
    assert "http://127.0.0.1:8080" in caught.value.detail
    first.release()
    second.take(lock.Holder(42, "http://127.0.0.1:8081"))
    assert lock.holder_of(tmp_path) == lock.Holder(42, "http://127.0.0.1:8081")


def test_a_second_start_on_the_same_database_is_told_so_whatever_its_folder(tmp_path: Path) -> None:
    default = plan.sqlite_file(a_layout(tmp_path), {})
    named = plan.sqlite_file(a_layout(tmp_path / "other"), {"DATABASE_URL": f"sqlite:///{tmp_path}/mooring.sqlite3"})
    assert default and default == named
    assert plan.sqlite_file(a_layout(tmp_path), {"DATABASE_URL": "postgresql:///studio"}) is None
    first, second = lock.DatabaseLock(default), lock.DatabaseLock(named)
    first.take(lock.Holder(41, "http://127.0.0.1:8080"))
    with pytest.raises(MooringError) as caught:
        second.take(lock.Holder(42, "http://127.0.0.1:8081"))
    assert caught.value.id == "already-running" and str(named) in caught.value.detail and "DATABASE_URL" in caught.value.todo
    first.release()


def test_a_lock_file_without_a_holder_means_nobody_runs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    held = lock.FolderLock(tmp_path)
    held.take(lock.Holder(os.getpid(), "http://127.0.0.1:8080"))
    held.release()
    assert lock.holder_of(tmp_path) is None
    assert commands.status(tmp_path)["running"] is False


def test_down_stops_the_holder_and_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    script = (
        "import os, pathlib, signal, sys, time\nfrom mooring.up import lock\n"
        "held = lock.FolderLock(pathlib.Path(sys.argv[1])); held.take(lock.Holder(os.getpid(), 'http://x'))\n"
        "print('held', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert commands.status(tmp_path)["pid"] == process.pid
        assert commands.down(tmp_path) is True
        assert process.wait(5) == -signal.SIGTERM
    assert commands.down(tmp_path) is False


def test_the_redis_of_the_plan_is_ready_when_it_answers(redis_server: plan.Layout) -> None:
    async def ready() -> bool:
        one = plan.ChildPlan("redis", ("sleep", "5"), {}, redis_server.data, plan.Ready("redis", str(redis_server.socket)))
        waiting = child.start(one, lambda name, line: None)
        answered = await child.is_ready(waiting)
        waiting.signal(signal.SIGKILL)
        await waiting.wait()
        return answered

    assert asyncio.run(ready())


def test_leases_of_a_dead_process_are_freed_and_others_are_not(redis_server: plan.Layout) -> None:
    url, host = f"unix://{redis_server.socket}", platform.node()
    with redis.Redis.from_url(url, decode_responses=True) as client:
        client.mset({"lease:stream": f"{host}:71:abc", "lease:sweep": f"{host}:71", "lease:other": f"{host}:712:abc"})
        client.mset({"lease:elsewhere": "another:71:abc", "unrelated": f"{host}:71"})
        assert sorted(free_leases(url, 71)) == ["stream", "sweep"]
        assert sorted(client.keys()) == ["lease:elsewhere", "lease:other", "unrelated"]


def test_the_socket_of_a_killed_redis_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    preparation.remove_stale_socket(path)
    preparation.remove_stale_socket(path)
    assert not path.exists()
