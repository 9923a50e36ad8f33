"""The init container where the pod cannot call the studio and is fed by it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.runner.pod import Pod, wait_until
from tests.runner.studio_side import StudioSide, tar_of


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def fed(pod: Pod, studio: StudioSide) -> Iterator[subprocess.Popen[bytes]]:
    pod.spec["transport"] = "push"
    pod.spec["code"] = {"digest": studio.add_tree({"train.py": b"print()\n", "deep/x": (b"x" * 300_000, 0o755)})}
    pod.spec["inputs"] = {"t": {"kind": "file", "digest": studio.add_tree({"t.csv": b"1"}), "path": "/mooring/inputs/t/t.csv"}}
    pod.port = free_port()
    pod.environment["MOORING_PORT"] = str(pod.port)
    pod.write_secret()
    process = pod._start([sys.executable, "-m", "runner", "prepare"])
    notes = pod.root / "run/log/prepare.txt"
    wait_until(lambda: notes.exists() and "Waiting to be fed" in notes.read_text())
    yield process


def code_of(pod: Pod, studio: StudioSide) -> bytes:
    return tar_of(studio.trees[pod.spec["code"]["digest"]])


def input_of(pod: Pod, studio: StudioSide) -> bytes:
    return tar_of(studio.trees[pod.spec["inputs"]["t"]["digest"]])


def test_it_takes_what_it_is_fed(pod: Pod, studio: StudioSide, fed: subprocess.Popen[bytes]) -> None:
    assert pod.call("PUT", "/v1/feed/code.tar", code_of(pod, studio))[0] == 200
    assert pod.call("PUT", "/v1/feed/inputs/t.tar", input_of(pod, studio))[0] == 200
    assert pod.call("POST", "/v1/feed/done")[0] == 200
    assert fed.wait(10) == 0
    assert (pod.root / "work/deep/x").read_bytes() == b"x" * 300_000
    assert (pod.root / "inputs/t/t.csv").read_bytes() == b"1"


def test_it_says_what_is_missing(pod: Pod, studio: StudioSide, fed: subprocess.Popen[bytes]) -> None:
    assert pod.call("PUT", "/v1/feed/code.tar", code_of(pod, studio))[0] == 200
    status, raw = pod.call("POST", "/v1/feed/done")
    assert (status, json.loads(raw)) == (409, {"missing": ["inputs/t.tar"]})
    assert fed.poll() is None


def test_it_refuses_what_is_not_the_tree_it_wants(pod: Pod, studio: StudioSide, fed: subprocess.Popen[bytes]) -> None:
    status, raw = pod.call("PUT", "/v1/feed/code.tar", tar_of({"train.py": (b"other\n", 0o644)}))
    assert (status, json.loads(raw)["id"]) == (422, "job-inputs-damaged")
    assert pod.call("PUT", "/v1/feed/code.tar", code_of(pod, studio))[0] == 200


def test_it_refuses_a_wrong_token(pod: Pod, studio: StudioSide, fed: subprocess.Popen[bytes]) -> None:
    assert pod.call("POST", "/v1/feed/done", token="other")[0] == 403


def test_it_takes_a_body_in_chunks(pod: Pod, studio: StudioSide, fed: subprocess.Popen[bytes]) -> None:
    raw = code_of(pod, studio)
    connection = pod.connect()
    pieces = (raw[offset : offset + 10_007] for offset in range(0, len(raw), 10_007))
    connection.request(
        "PUT",
        "/v1/feed/code.tar",
        body=pieces,
        headers={"X-Mooring-Token": "a-token-of-this-one-job"},
        encode_chunked=True,
    )
    assert connection.getresponse().status == 200
    connection.close()


def test_a_feed_that_breaks_off_can_be_begun_again(pod: Pod, studio: StudioSide, fed: subprocess.Popen[bytes]) -> None:
    raw = code_of(pod, studio)
    connection = pod.connect()
    connection.putrequest("PUT", "/v1/feed/code.tar")
    connection.putheader("X-Mooring-Token", "a-token-of-this-one-job")
    connection.putheader("Content-Length", str(len(raw)))
    connection.endheaders()
    connection.send(raw[: len(raw) // 2])
    connection.close()
    assert pod.call("PUT", "/v1/feed/code.tar", raw)[0] == 200
