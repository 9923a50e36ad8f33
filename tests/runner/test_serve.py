"""The sidecar: the log by offset, and what is delivered at the end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest

from tests.runner.pod import Pod, wait_until
from tests.runner.studio_side import StudioSide


def test_it_wants_the_token_for_everything(pod: Pod) -> None:
    pod.prepared().serve()
    for method, path in [
        ("GET", "/v1/status"),
        ("GET", "/v1/log/std_log.txt"),
        ("POST", "/v1/log/std_log.txt/ack?bytes=0"),
    ]:
        assert pod.call(method, path, token="")[0] == 403
        assert pod.call(method, path, token="another")[0] == 403
    assert pod.call("GET", "/v1/status")[0] == 200


def test_its_status_follows_the_run(pod: Pod, studio: StudioSide) -> None:
    pod.prepared().serve()
    assert pod.status()["phase"] == "waiting"
    assert pod.status()["pod_uid"] == "uid-1"
    pod.spec["command"] = "echo hello; read line < go"
    pod.prepared()
    os.mkfifo(pod.root / "work/go")
    pod.run()
    wait_until(lambda: pod.status()["phase"] == "running" and pod.status()["logs"]["std_log.txt"]["bytes"] == 6)
    (pod.root / "work/go").write_text("\n")
    studio.wait_for(lambda: studio.finished)
    wait_until(lambda: pod.status()["phase"] == "finished")
    assert pod.status()["exit"]["code"] == 0
    assert pod.status()["outputs"]["state"] == "acknowledged"


def test_a_follower_sees_every_byte_once_and_the_end(pod: Pod) -> None:
    pod.spec["command"] = "for i in 1 2 3 4; do seq 1 20000; sleep 0.05; done"
    pod.prepared().serve()
    followed = pod.follow()
    pod.run()
    wanted = "".join(f"{line}\n" for line in range(1, 20_001)) * 4
    assert followed.read() == wanted.encode()


def test_a_follower_begins_at_its_offset(pod: Pod) -> None:
    pod.prepared().serve()
    pod.write_log(b"0123456789")
    followed = pod.follow(offset=4)
    assert followed.read(6) == b"456789"
    pod.write_log(b"abc")
    assert followed.read(3) == b"abc"
    pod.end_command()
    assert followed.read() == b""


def test_a_log_is_read_without_following(pod: Pod) -> None:
    pod.prepared().serve()
    pod.write_log(b"so far")
    assert pod.call("GET", "/v1/log/std_log.txt?offset=3") == (200, b"far")
    assert b"Ready in" in pod.call("GET", "/v1/log/prepare.txt?follow=1")[1]
    assert pod.call("GET", "/v1/log/other.txt")[0] == 404
    assert pod.call("GET", "/v1/log/..%2fentry.json")[0] == 404


def test_an_offset_past_the_end_is_told_how_long_the_log_is(pod: Pod) -> None:
    pod.prepared().serve()
    pod.write_log(b"12345")
    status, raw = pod.call("GET", "/v1/log/std_log.txt?offset=9")
    assert (status, json.loads(raw)["bytes"]) == (416, 5)


def test_a_line_reaches_a_follower_within_milliseconds(pod: Pod) -> None:
    pod.prepared().serve()
    followed = pod.follow()
    delays = []
    for _ in range(20):
        pod.write_log(b"x")
        began = time.monotonic()
        assert followed.read(1) == b"x"
        delays.append(time.monotonic() - began)
    assert sorted(delays)[10] < 0.1


def test_many_followers_are_served_at_once(pod: Pod) -> None:
    pod.prepared().serve()
    followers = [pod.follow() for _ in range(40)]
    pod.write_log(b"for all")
    pod.end_command()
    assert [follower.read() for follower in followers] == [b"for all"] * 40


def test_a_follower_that_reads_nothing_holds_up_nobody(pod: Pod) -> None:
    pod.prepared().serve()
    pod.write_log(b"x" * 20_000_000)
    stuck = pod.follow()
    assert len(pod.call("GET", "/v1/log/std_log.txt")[1]) == 20_000_000
    stuck.close()


def test_followers_that_have_left_make_room(pod: Pod) -> None:
    pod.prepared().serve()
    for _ in range(3):
        connections = []
        for _ in range(30):
            connection = pod.connect()
            connection.request("GET", "/v1/log/std_log.txt?follow=1", headers={"X-Mooring-Token": "a-token-of-this-one-job"})
            connections.append(connection)
        for connection in connections:
            assert connection.sock
            connection.sock.close()
            connection.close()
        wait_until(lambda: _answers(pod), 10, every=0.1)


def _answers(pod: Pod) -> bool:
    try:
        return pod.call("GET", "/v1/status")[0] == 200
    except OSError:
        return False


def test_outputs_logs_and_named_outputs_are_brought(pod: Pod, studio: StudioSide) -> None:
    pod.spec["outputs"] = {
        "model": {"kind": "folder", "path": "/mooring/outputs/model"},
        "score": {"kind": "file", "path": "/mooring/outputs/score/score.json"},
    }
    pod.spec["command"] = """
        echo 1 > outputs/a.txt; mkdir outputs/deep; echo 2 > 'outputs/deep/ä b#?.txt'; echo 3 > logs/own.txt
        echo 4 > ../outputs/model/m.bin; echo 5 > ../outputs/score/score.json; : > outputs/empty; exit 3"""
    pod.prepared().serve()
    pod.run()
    finished = studio.wait_for(lambda: studio.finished)[0]
    assert studio.outputs == {
        ("artifacts", "outputs/a.txt"): b"1\n",
        ("artifacts", "outputs/deep/ä b#?.txt"): b"2\n",
        ("artifacts", "outputs/empty"): b"",
        ("artifacts", "logs/own.txt"): b"3\n",
        ("model", "m.bin"): b"4\n",
        ("score", "score.json"): b"5\n",
    }
    assert (finished["pod_uid"], finished["exit"]["code"], finished["problems"]) == ("uid-1", 3, [])
    assert {(row["root"], row["path"]) for row in finished["outputs"]} == set(studio.outputs)
    assert all(row["size"] == len(studio.outputs[row["root"], row["path"]]) for row in finished["outputs"])


def test_the_pod_itself_says_which_process_of_the_job_it_is(pod: Pod, studio: StudioSide) -> None:
    pod.environment["MOORING_PROCESS_INDEX"] = "3"
    pod.prepared().serve()
    (pod.root / "work/outputs/a").write_text("a")
    pod.end_command()
    studio.wait_for(lambda: studio.finished)
    assert any(line.endswith("/outputs/3/artifacts/outputs/a") for line in studio.requests)
    assert any(line.endswith("/processes/3/finish") for line in studio.requests)


@pytest.mark.parametrize("fault", ["status:500", "reset", "early:503"])
def test_storing_is_tried_again_after_a_failure_of_the_world(pod: Pod, studio: StudioSide, fault: str) -> None:
    pod.prepared().serve()
    (pod.root / "work/outputs/big").write_bytes(b"b" * 3_000_000)
    studio.fail("^PUT .*/outputs/", fault, times=3)
    studio.fail("/finish$", fault)
    pod.end_command()
    studio.wait_for(lambda: studio.finished)
    assert studio.outputs["artifacts", "outputs/big"] == b"b" * 3_000_000
    assert studio.finished[0]["problems"] == []


@pytest.mark.parametrize("fault", ["status:507", "early:413", "status:422"])
def test_an_output_that_cannot_be_stored_is_told(pod: Pod, studio: StudioSide, fault: str) -> None:
    pod.prepared().serve()
    (pod.root / "work/outputs/bad").write_bytes(b"b" * 3_000_000)
    (pod.root / "work/outputs/good").write_text("good")
    studio.fail("^PUT .*/outputs/bad", fault, times=99)
    pod.end_command()
    finished = studio.wait_for(lambda: studio.finished)[0]
    assert [(problem["id"], problem["severity"]) for problem in finished["problems"]] == [("output-not-stored", "error")]
    assert "artifacts/outputs/bad" in finished["problems"][0]["text"]
    assert [row["path"] for row in finished["outputs"]] == ["outputs/good"]
    wait_until(lambda: pod.status()["outputs"]["state"] == "failed")


def test_storing_is_given_up_at_the_deadline(pod: Pod, studio: StudioSide) -> None:
    pod.spec["drain_seconds"] = 1
    pod.prepared()
    sidecar = pod.serve()
    (pod.root / "work/outputs/a").write_text("a")
    studio.fail("^PUT .*/outputs/", "status:500", times=999)
    pod.end_command()
    wait_until(lambda: pod.status()["phase"] == "ended")
    sidecar.send_signal(signal.SIGTERM)
    assert sidecar.wait(10) == 0
    assert "could not be stored in time" in pod.notes()


def test_links_and_special_files_are_left_out_and_said(pod: Pod, studio: StudioSide) -> None:
    pod.prepared().serve()
    outputs = pod.root / "work/outputs"
    (outputs / "run-1").mkdir()
    (outputs / "run-1/model").write_text("m")
    (outputs / "latest").symlink_to("run-1")
    (outputs / "run-1/loop").symlink_to("..")
    (outputs / "secret").symlink_to("/etc/passwd")
    (outputs / "dangling").symlink_to("nothing")
    os.mkfifo(outputs / "pipe")
    pod.end_command()
    finished = studio.wait_for(lambda: studio.finished)[0]
    assert sorted(path for _, path in studio.outputs) == ["outputs/latest/model", "outputs/run-1/model"]
    told = {problem["text"].split()[0]: problem["severity"] for problem in finished["problems"]}
    assert told == dict.fromkeys(("dangling", "latest/loop", "pipe", "run-1/loop", "secret"), "warning")


def test_a_file_that_changes_while_it_is_stored_is_stored_as_it_is_then(pod: Pod, studio: StudioSide) -> None:
    pod.prepared().serve()
    growing = pod.root / "work/outputs/growing"
    growing.write_bytes(b"1" * 1000)
    (pod.root / "work/outputs/first").write_bytes(b"f")
    studio.fail("^PUT .*/outputs/growing", "status:503")

    def grow(path: str) -> None:
        if path.endswith("first"):
            growing.write_bytes(b"2" * 2000)

    studio.on_put = grow
    pod.end_command()
    studio.wait_for(lambda: studio.finished)
    assert studio.outputs["artifacts", "outputs/growing"] == b"2" * 2000


def test_the_log_is_pushed_when_nobody_has_come_for_it(pod: Pod, studio: StudioSide) -> None:
    pod.spec["command"] = "seq 1 500000"
    pod.prepared().serve()
    pod.run()
    studio.wait_for(lambda: studio.finished)
    wait_until(lambda: pod.status()["phase"] == "finished")
    assert bytes(studio.log) == b"".join(b"%d\n" % line for line in range(1, 500_001))


def test_a_log_that_was_taken_is_not_pushed(pod: Pod, studio: StudioSide) -> None:
    pod.environment["MOORING_PULL_SECONDS"] = "10"
    pod.prepared().serve()
    pod.write_log(b"12345")
    pod.end_command()
    status, raw = pod.call("POST", "/v1/log/std_log.txt/ack?bytes=5")
    assert (status, json.loads(raw)) == (200, {"bytes": 5, "final": True})
    wait_until(lambda: pod.status()["phase"] == "finished")
    assert bytes(studio.log) == b""


def test_only_the_rest_of_a_log_is_pushed(pod: Pod, studio: StudioSide) -> None:
    pod.prepared().serve()
    pod.write_log(b"0123456789")
    studio.log += b"0123"
    assert pod.call("POST", "/v1/log/std_log.txt/ack?bytes=4")[0] == 200
    pod.end_command()
    studio.wait_for(lambda: studio.finished)
    wait_until(lambda: pod.status()["phase"] == "finished")
    assert bytes(studio.log) == b"0123456789"
    assert any("offset=4" in line for line in studio.requests)


def test_a_log_that_the_studio_has_lost_is_pushed_again(pod: Pod, studio: StudioSide) -> None:
    pod.prepared().serve()
    pod.write_log(b"0123456789")
    assert pod.call("POST", "/v1/log/std_log.txt/ack?bytes=4")[0] == 200
    pod.end_command()
    wait_until(lambda: pod.status()["phase"] == "finished")
    assert bytes(studio.log) == b"0123456789"


def test_a_log_is_pushed_also_when_the_studio_does_not_know_the_pod_yet(pod: Pod, studio: StudioSide) -> None:
    studio.fail("^PUT .*/log", "status:400", times=2)
    pod.prepared().serve()
    pod.write_log(b"0123456789")
    pod.end_command()
    wait_until(lambda: pod.status()["phase"] == "finished")
    assert bytes(studio.log) == b"0123456789"


def test_outputs_that_the_studio_misses_are_put_again(pod: Pod, studio: StudioSide) -> None:
    pod.prepared().serve()
    (pod.root / "work/outputs/a").write_text("a")
    studio.fail("/finish$", "status:409")
    pod.end_command()
    studio.wait_for(lambda: studio.finished)
    assert sum("/outputs/0/artifacts/outputs/a" in line for line in studio.requests) == 2
    wait_until(lambda: pod.status()["outputs"]["state"] == "acknowledged")


def test_more_than_there_is_cannot_be_acknowledged(pod: Pod) -> None:
    pod.prepared().serve()
    assert pod.call("POST", "/v1/log/std_log.txt/ack?bytes=4")[0] == 409
    assert pod.call("POST", "/v1/log/std_log.txt/ack?bytes=-4")[0] == 400


def test_a_killed_sidecar_goes_on_with_the_log(pod: Pod) -> None:
    pod.spec["command"] = "for i in $(seq 1 40); do seq 1 1000; sleep 0.01; done"
    pod.prepared()
    sidecar = pod.serve()
    pod.run()
    got = pod.follow().read(5000)
    assert pod.call("POST", f"/v1/log/std_log.txt/ack?bytes={len(got)}")[0] == 200
    sidecar.kill()
    sidecar.wait()
    pod.serve()
    assert pod.status()["logs"]["std_log.txt"]["acknowledged"] == 5000
    got += pod.follow(offset=5000).read()
    assert got == b"".join(b"%d\n" % line for line in range(1, 1001)) * 40


def test_a_killed_sidecar_goes_on_with_the_outputs(pod: Pod, studio: StudioSide) -> None:
    pod.prepared()
    for number in range(30):
        (pod.root / f"work/outputs/{number:02d}").write_bytes(os.urandom(1000))
    half = threading.Event()
    go_on = threading.Event()

    def hold(path: str) -> None:
        if path.endswith("/15") and not half.is_set():
            half.set()
            go_on.wait(20)

    studio.on_put = hold
    sidecar = pod.serve()
    pod.end_command()
    assert half.wait(20)
    sidecar.kill()
    sidecar.wait()
    go_on.set()
    pod.serve()
    finished = studio.wait_for(lambda: studio.finished)[0]
    assert len(finished["outputs"]) == len(studio.outputs) == 30
    assert sum("/outputs/0/artifacts/outputs/03" in line for line in studio.requests) == 1
    wait_until(lambda: pod.status()["phase"] == "finished")


def test_a_restarted_sidecar_that_was_done_does_nothing_again(pod: Pod, studio: StudioSide) -> None:
    pod.prepared()
    sidecar = pod.serve()
    pod.end_command()
    wait_until(lambda: pod.status()["phase"] == "finished")
    sidecar.kill()
    sidecar.wait()
    pod.serve()
    assert pod.status()["phase"] == "finished"
    assert len(studio.finished) == 1


def test_it_ends_at_once_when_the_jobs_container_never_ran(pod: Pod, studio: StudioSide) -> None:
    pod.prepared()
    sidecar = pod.serve()
    began = time.monotonic()
    sidecar.send_signal(signal.SIGTERM)
    assert sidecar.wait(10) == 0
    assert time.monotonic() - began < 2
    assert studio.finished == []


def test_it_drains_before_it_ends(pod: Pod, studio: StudioSide) -> None:
    pod.spec["command"] = "trap 'echo saved > outputs/saved; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
    pod.prepared()
    sidecar = pod.serve()
    command = pod.run()
    wait_until(lambda: pod.status()["logs"]["std_log.txt"]["bytes"])
    sidecar.send_signal(signal.SIGTERM)
    command.send_signal(signal.SIGTERM)
    assert sidecar.wait(20) == 0
    assert studio.outputs["artifacts", "outputs/saved"] == b"saved\n"
    assert studio.finished[0]["exit"]["reason"] == "terminated"


def test_a_container_that_was_killed_as_a_whole_is_noticed(pod: Pod, studio: StudioSide) -> None:
    pod.spec["command"] = "echo partial > outputs/partial; echo ready; exec sleep 60"
    pod.prepared().serve()
    command = pod.run()
    wait_until(lambda: pod.status()["logs"]["std_log.txt"]["bytes"])
    group = json.loads((pod.root / "run/started.json").read_text())["pid"]
    command.kill()
    os.killpg(group, signal.SIGKILL)
    finished = studio.wait_for(lambda: studio.finished)[0]
    assert finished["exit"] is None
    assert [problem["id"] for problem in finished["problems"]] == ["job-exit-unknown"]
    assert ("artifacts", "outputs/partial") in studio.outputs


def test_it_stops_when_the_studio_does_not_know_the_job_any_more(pod: Pod, studio: StudioSide) -> None:
    pod.prepared()
    sidecar = pod.serve()
    for number in range(5):
        (pod.root / f"work/outputs/{number}").write_text("x")
    studio.fail("^PUT", "status:404", times=99)
    pod.end_command()
    wait_until(lambda: pod.status()["outputs"]["state"] == "failed")
    sidecar.send_signal(signal.SIGTERM)
    assert sidecar.wait(10) == 0
    assert sum("/outputs/" in line for line in studio.requests) == 1


def test_outputs_are_fetched_where_the_pod_cannot_call_the_studio(pod: Pod, studio: StudioSide) -> None:
    pod.spec["transport"] = "push"
    pod.spec["studio"] = {"url": "", "ca": None}
    (pod.secret.parent / "fed").mkdir()
    pod.write_secret()
    for folder in ("run/log", "work/outputs/deep"):
        (pod.root / folder).mkdir(parents=True)
    (pod.root / "work/outputs/deep/a b").write_text("content")
    sidecar = pod.serve()
    assert pod.call("GET", "/v1/outputs")[0] == 503
    pod.write_log(b"log")
    pod.end_command()
    wait_until(lambda: pod.call("GET", "/v1/outputs")[0] == 200)
    listed = json.loads(pod.call("GET", "/v1/outputs")[1])["outputs"]
    assert [(row["root"], row["path"], row["size"]) for row in listed] == [("artifacts", "outputs/deep/a b", 7)]
    assert pod.call("GET", "/v1/outputs/artifacts/outputs/deep/a%20b") == (200, b"content")
    assert pod.call("GET", "/v1/outputs/artifacts/outputs/other")[0] == 404
    assert pod.call("POST", "/v1/outputs/ack", b'{"outputs":[]}')[0] == 409
    sidecar.send_signal(signal.SIGTERM)
    assert pod.call("POST", "/v1/outputs/ack", json.dumps({"outputs": listed}).encode())[0] == 200
    assert pod.call("POST", "/v1/log/std_log.txt/ack?bytes=3")[0] == 200
    assert sidecar.wait(10) == 0


def test_it_is_small_and_starts_quickly(pod: Pod) -> None:
    sidecar = pod.prepared().serve()
    with open(f"/proc/{sidecar.pid}/status", encoding="utf-8") as file:
        resident = int(file.read().split("VmRSS:")[1].split()[0])
    with open(f"/proc/{sidecar.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    assert resident < 25_000
    assert cpu < 0.3
