"""The init container, against a studio that does not always behave."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import time
from pathlib import Path

import pytest

from tests.runner.pod import Pod
from tests.runner.studio_side import StudioSide, tar_of


def with_code(pod: Pod, studio: StudioSide) -> str:
    digest = studio.add_tree({"train.py": b"print('hi')\n", "run.sh": (b"#!/bin/sh\n", 0o755), "a/b/c.txt": b"c" * 70_000})
    pod.spec["code"] = {"digest": digest}
    return digest


def test_it_fetches_code_and_inputs(pod: Pod, studio: StudioSide) -> None:
    with_code(pod, studio)
    pod.spec["inputs"] = {
        "table": {"kind": "file", "digest": studio.add_tree({"t.csv": b"1,2"}), "path": "/mooring/inputs/table/t.csv"},
        "images": {"kind": "folder", "digest": studio.add_tree({"x/y.png": b"y"}), "path": "/mooring/inputs/images"},
    }
    done = pod.prepare()
    assert done.returncode == 0, done.stdout
    assert (pod.root / "work/a/b/c.txt").read_bytes() == b"c" * 70_000
    assert (pod.root / "inputs/table/t.csv").read_bytes() == b"1,2"
    assert (pod.root / "inputs/images/x/y.png").read_bytes() == b"y"
    assert os.access(pod.root / "work/run.sh", os.X_OK)
    assert not (pod.root / "work/train.py").stat().st_mode & 0o111
    assert "Fetching code: 3 files, 70022 bytes." in (pod.root / "run/log/prepare.txt").read_text()


def test_it_tells_the_entrypoint_what_to_run(pod: Pod) -> None:
    pod.spec.update(command="echo hi", timeout_seconds=60, grace_seconds=7)
    pod.prepared()
    entry = json.loads((pod.root / "run/entry.json").read_text())
    assert (entry["command"], entry["timeout_seconds"], entry["grace_seconds"]) == ("echo hi", 60, 7)
    assert entry["cwd"] == str(pod.root / "work")
    assert entry["log"] == str(pod.root / "run/log/std_log.txt")
    assert entry["shell"] == ["bash", "-c"]


def test_for_a_deployment_it_brings_model_code_and_the_scoring_server_and_starts_nothing(
    pod: Pod, studio: StudioSide, tmp_path: Path
) -> None:
    with_code(pod, studio)
    model = studio.add_tree({"weights.bin": b"w"})
    pod.spec.update(kind="deployment", base=f"/runner/v1/jobs/{pod.spec['job']}", outputs={}, command="")
    pod.spec["inputs"] = {"model": {"kind": "folder", "digest": model, "path": "/mooring/models/flowers/1/model"}}
    (tmp_path / "scoring.pyz").write_bytes(b"a server")
    pod.environment["MOORING_SCORING_FILE"] = str(tmp_path / "scoring.pyz")
    pod.prepared()
    assert (pod.root / "bin/scoring.pyz").read_bytes() == b"a server"
    assert os.access(pod.root / "bin/scoring.pyz", os.X_OK)
    assert (pod.root / "models/flowers/1/model/weights.bin").read_bytes() == b"w"
    assert (pod.root / "work/train.py").exists()
    assert not (pod.root / "run/entry.json").exists() and not (pod.root / "work/outputs").exists()


def test_everything_it_makes_can_be_written_by_the_group(pod: Pod, studio: StudioSide) -> None:
    with_code(pod, studio)
    pod.spec["outputs"] = {
        "model": {"kind": "folder", "path": "/mooring/outputs/model"},
        "score": {"kind": "file", "path": "/mooring/outputs/score/score.json"},
    }
    pod.prepared()
    found = [path for path in pod.root.rglob("*") if not path.stat().st_mode & stat.S_IWGRP]
    assert found == []
    for folder in ("work/outputs", "work/logs", "outputs/model", "outputs/score", "home"):
        assert (pod.root / folder).is_dir()


def test_doing_it_twice_gives_the_same(pod: Pod, studio: StudioSide) -> None:
    with_code(pod, studio)
    pod.prepared().prepared()
    assert (pod.root / "work/train.py").exists()


@pytest.mark.parametrize("fault", ["status:503", "reset", "truncate", "tamper", "status:429"])
def test_it_tries_again_after_a_failure_of_the_world(pod: Pod, studio: StudioSide, fault: str) -> None:
    with_code(pod, studio)
    studio.fail(r"\.tar$", fault, times=2)
    done = pod.prepare()
    assert done.returncode == 0, done.stdout
    assert "Trying again in" in done.stdout
    assert (pod.root / "work/a/b/c.txt").read_bytes() == b"c" * 70_000


def test_it_waits_for_a_studio_that_is_starting(pod: Pod, studio: StudioSide) -> None:
    studio.fail("/healthz", "status:502", times=2)
    assert pod.prepare().returncode == 0


def test_it_refuses_bytes_that_stay_wrong(pod: Pod, studio: StudioSide) -> None:
    with_code(pod, studio)
    studio.fail(r"\.tar$", "tamper", times=99)
    assert pod.prepare().returncode == 1
    assert pod.reason()["id"] == "job-code-damaged"
    assert not (pod.root / "work/train.py").exists()
    assert not (pod.root / "run/entry.json").exists()


def test_it_fails_at_once_when_the_studio_says_no(pod: Pod, studio: StudioSide) -> None:
    absent = "sha256:" + "0" * 64
    pod.spec["inputs"] = {"table": {"kind": "folder", "digest": absent, "path": "/mooring/inputs/table"}}
    began = time.monotonic()
    assert pod.prepare().returncode == 1
    assert time.monotonic() - began < 3
    assert pod.reason()["id"] == "job-inputs-unavailable"
    assert "input table" in pod.reason()["text"]
    assert "404" in pod.reason()["text"]


def test_it_says_that_the_token_is_refused(pod: Pod, studio: StudioSide) -> None:
    with_code(pod, studio)
    studio.fail("/trees/", "status:401", times=9)
    assert pod.prepare().returncode == 1
    assert pod.reason()["id"] == "job-token-refused"


def test_it_gives_up_at_its_deadline(pod: Pod, studio: StudioSide) -> None:
    pod.environment["MOORING_PREPARE_SECONDS"] = "1"
    pod.spec["studio"]["url"] = "http://127.0.0.1:9"
    assert pod.prepare().returncode == 1
    assert pod.reason()["id"] == "job-studio-unreachable"
    assert "127.0.0.1:9" in pod.reason()["text"]


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        archive.addfile(info)
    return made.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        member("../escaped"),
        member("/tmp/escaped"),
        member("a/../../escaped"),
        member("link", tarfile.SYMTYPE, "/etc"),
        member("hard", tarfile.LNKTYPE, "/etc/passwd"),
        member("fifo", tarfile.FIFOTYPE),
        member("null", tarfile.CHRTYPE),
    ],
    ids=["parent", "absolute", "hidden parent", "symlink", "hard link", "pipe", "device"],
)
def test_it_refuses_a_stream_that_would_leave_its_folder(pod: Pod, studio: StudioSide, raw: bytes) -> None:
    with_code(pod, studio)
    studio.make_tar = lambda rows: raw
    assert pod.prepare().returncode == 1
    assert pod.reason()["id"] == "job-inputs-unsafe"
    assert not list(pod.root.parent.rglob("escaped"))


def test_it_refuses_files_that_nobody_asked_for(pod: Pod, studio: StudioSide) -> None:
    with_code(pod, studio)
    studio.make_tar = lambda rows: tar_of({**rows, "more.py": (b"bad", 0o644)})
    assert pod.prepare().returncode == 1
    assert "more.py is not part of" in pod.reason()["text"]


def test_it_refuses_an_output_outside_of_its_volume(pod: Pod) -> None:
    pod.spec["outputs"] = {"model": {"kind": "folder", "path": "/mooring/../etc"}}
    assert pod.prepare().returncode == 1
    assert pod.reason()["id"] == "job-spec-unreadable"


def test_it_says_that_spec_json_cannot_be_understood(pod: Pod) -> None:
    del pod.spec["command"]
    assert pod.prepare().returncode == 1
    assert pod.reason()["id"] == "job-spec-unreadable"


def test_it_says_that_its_image_is_not_whole(pod: Pod, tmp_path: Path) -> None:
    pod.environment["MOORING_ENTRYPOINT"] = str(tmp_path / "nothing")
    assert pod.prepare().returncode == 1
    assert pod.reason()["id"] == "job-runner-image-broken"
