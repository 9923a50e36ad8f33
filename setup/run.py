"""`make run` once everything is installed: a Kubernetes, the studio beside it, and at the first start the sample job.

A second run starts what is there and changes nothing. Ctrl-C or SIGTERM stops the studio; the cluster stays up (make
sandbox-down stops it). With RUN_ONCE=1 it ends by itself after the sample: 0 when that has Completed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from memory import Memory
from ports import NoPort, free_port
from seed import SIMULATED, Seed, images_of
from seed_endpoint import Address, NoExtension, NotServed, Serving, curl

from mooring.client import Client
from mooring.errors import MooringError
from mooring.up import lock
from sandbox import studios
from sandbox.console import Console
from sandbox.environment import of_studio
from sandbox.errors import SandboxError

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 180
STOP_SECONDS = 20
IDENTITY = "from compute.models import StudioIdentity; print(StudioIdentity.get())"


class Stopped(Exception):
    """Somebody asked for the end."""


class Failed(Exception):
    """Something that is needed did not work; the message says what."""


def main() -> int:
    """Run all of it; return the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    once = os.environ.get("RUN_ONCE", "") not in ("", "0")
    data = Path(os.environ.get("MOORING_DATA") or ROOT / ".mooring").absolute()
    studio: subprocess.Popen[bytes] | None = None
    simulated = False
    try:
        if holder := lock.holder_of(data):
            say(f"the studio is running already: {holder.url} (process {holder.pid}). `mooring down --data {data}` stops it.")
            return 1 if once else 0
        cluster = bring_up_cluster()
        simulated = bool(cluster.get("simulated"))
        environment, url = surroundings(cluster, data, os.environ)
        studio = start_studio(environment, data)
        wait_until_ready(studio, url)
        be_remembered(cluster, data, environment)
        tidy_up(cluster)
        token = json.loads((data / "run" / "cli-token.json").read_text(encoding="utf-8"))["token"]
        with Client(url, token, workspace="demo") as client:
            good, endpoint = bring_to_life(client, cluster, data, environment.get("MOORING_RUNNER_IMAGE", ""))
            tell_where(url, cluster, data, endpoint)
        if once:
            return 0 if good else 1
        return studio.wait()
    except Stopped:
        return 130
    except (Failed, MooringError) as error:
        say(f"{error}{_advice(error)}")
        return 1
    finally:
        if studio is not None:
            stop_studio(studio)
            if simulated:
                # Whatever scrolled by above: the last line is no success.
                print(SIMULATED, flush=True)


def bring_up_cluster() -> dict[str, Any]:
    """Bring the sandbox's cluster up (or look at the one of KUBECONFIG) and return its status."""
    say("bringing up the cluster (the first time this takes minutes)")
    command = [sys.executable, "-m", "sandbox", "up", "--json"]
    # A session of its own: Ctrl-C comes to this process alone, which passes it on once.
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_leash)
    try:
        answer, _ = child.communicate()
    except BaseException:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise
    lines = answer.strip().splitlines()
    status = json.loads(lines[-1]) if lines else {}
    if child.returncode != 0:
        raise Failed("the cluster is not up; what is wrong is said above, and `python -m sandbox status` says how it stands")
    return dict(status)


def be_remembered(cluster: Mapping[str, Any], data: Path, environment: Mapping[str, str]) -> None:
    """Have the sandbox remember whose studio this is, before it puts anything into the cluster."""
    if cluster.get("mode") == "given":
        return
    identity = studios.kept_identity(data)
    if not identity:  # at the first start, or with a database elsewhere
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", IDENTITY]
        asked = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=120, check=False)
        if asked.returncode:
            raise Failed(f"the studio's identity could not be read: {asked.stderr.strip()[-400:]}")
        identity = asked.stdout.split()[-1]
    studios.remember(str(cluster["name"]), identity, data)


def tidy_up(cluster: Mapping[str, Any]) -> None:
    """Remove from the sandbox's own cluster what earlier studios have left whose data folder was deleted, and say so.

    Comes after this studio is remembered: a data folder that was moved, or put back from a backup, is none that is gone.
    """
    if cluster.get("mode") == "given":
        return
    name = str(cluster["name"])
    try:
        for studio in studios.gone(name):
            if removed := studios.sweep(name, [studio], Console()):
                say(f"the data folder {studio.data} is gone; what its studio had left in the cluster was removed: {', '.join(removed)}")
    except SandboxError as error:
        say(f"what an earlier studio has left in the cluster could not be removed; this one goes on beside it. {error}")


def surroundings(cluster: Mapping[str, Any], data: Path, given: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Return the studio's environment and its address for people; what the person has set wins."""
    host = str(cluster.get("host_address") or "127.0.0.1")
    listen = given.get("MOORING_LISTEN", "")
    if not listen:
        addresses = list(dict.fromkeys(("127.0.0.1", host)))
        try:
            port = free_port(addresses)
        except NoPort as error:
            raise Failed(f"{error}; set MOORING_LISTEN=HOST:PORT") from None
        listen = ",".join(f"{address}:{port}" for address in addresses)
    decided = {"MOORING_DATA": str(data), "MOORING_LISTEN": listen}
    if host != "127.0.0.1" and "MOORING_POD_URL" not in given and f"{host}:" in listen:
        decided["MOORING_POD_URL"] = f"http://{next(one for one in listen.split(',') if one.startswith(f'{host}:'))}"
    runner = images_of(cluster).get("runner")
    if runner and "MOORING_RUNNER_IMAGE" not in given:
        decided["MOORING_RUNNER_IMAGE"] = runner
    return {**of_studio(cluster), **given, **decided}, f"http://{listen.split(',')[0]}"


def start_studio(environment: dict[str, str], data: Path) -> subprocess.Popen[bytes]:
    """Start `mooring up` as a child that does not outlive this process."""
    say(f"starting the studio, data in {data}")
    command = [sys.executable, "-m", "mooring", "up", "--no-browser"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_leash)


def wait_until_ready(studio: subprocess.Popen[bytes], url: str) -> None:
    """Wait until the studio answers that all its parts are ready."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        if studio.poll() is not None:
            raise Failed(f"the studio ended with exit code {studio.returncode}; its lines are above")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise Failed(f"the studio is not ready after {READY_SECONDS} s; its lines are above")
        time.sleep(0.2)


def bring_to_life(client: Client, cluster: Mapping[str, Any], data: Path, runner_image: str) -> tuple[bool, Address | None]:
    """Run the sample job and bring its model to an address; return whether all of it went well, and where that is."""
    done = Memory(data)
    fresh = "sample_ended" not in done
    if not Seed(client, cluster, done, say).run(runner_image):
        return False, None
    ended = time.monotonic()
    serving = Serving(client, cluster, done, say)
    try:
        if answer := serving.run(str(done["sample"])):
            took = f", {time.monotonic() - ended:.0f} s after the job" if fresh else ""
            say(f"the endpoint has answered{took}: {answer}")
    except NoExtension as problem:
        say(f"the sample job has completed; its model is not deployed, as the cluster's extension could not be installed. {problem}")
        # What a cluster of somebody else's allows is not up to this machine.
        return cluster.get("mode") == "given", None
    except NotServed as problem:
        say(f"the sample job has completed; its model does not answer yet. {problem}")
        return False, serving.address()
    return True, serving.address()


def stop_studio(studio: subprocess.Popen[bytes]) -> None:
    """Stop the studio and wait until it has gone; a second Ctrl-C hurries it."""
    if studio.poll() is None:
        studio.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while studio.poll() is None:
        try:
            studio.wait(max(0.1, deadline - time.monotonic()))
        except Stopped:
            studio.send_signal(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            studio.kill()


def tell_where(url: str, cluster: Mapping[str, Any], data: Path, endpoint: Address | None) -> None:
    """Print where to look and how to go on from a terminal."""
    sign_in = "admin; the password was printed at the first start, above or in an earlier run"
    lines = [
        f"open       {url}/w/demo/jobs/",
        f"sign in    {sign_in}",
        f"cluster    {cluster.get('server') or cluster.get('kubeconfig')}   (operators: {url}/ops/clusters/)",
        f"data       {data}",
        "terminal   source .venv/bin/activate",
        "           mooring job create -f sample/train/job.yml -w demo --stream",
        "           mooring job list -w demo",
        "           mooring job download NAME -w demo -p here",
        "stop       Ctrl-C; the cluster: make sandbox-down",
    ]
    if endpoint:
        lines[1:1] = [f"endpoint   {url}/w/demo/endpoints/{endpoint.endpoint}/"]
        lines[-1:-1] = [f"call it    {curl(endpoint, data)}"]
    if cluster.get("simulated"):
        lines.append(SIMULATED)
    print("\n" + "\n".join(lines) + "\n", flush=True)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(f"run: {text}", flush=True)


def _advice(error: Exception) -> str:
    detail = getattr(error, "todo", "")
    return f" {detail}" if detail else ""


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _leash() -> None:
    """Have the kernel end this child when its parent dies, however that happens."""
    if _LIBC is not None:
        _LIBC.prctl(1, int(signal.SIGTERM))


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
