"""The client against a server that keeps the contract and breaks connections on request."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mooring.client import Client
from mooring.client.transport import trusted
from mooring.errors import ConnectionLost, MooringError, MooringProblem
from tests.mooring.stand_in import STAMP, TOKEN, StandIn, sha256


def a_job_folder(folder: Path) -> Path:
    """Write a job with a code folder and a local input."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "train.py").write_text("print('hello')")
    (folder / "src" / "notes.tmp").write_text("not for the job")
    (folder / "src" / ".amlignore").write_text("*.tmp\n")
    (folder / "iris.csv").write_text("a,b\n1,2\n")
    yaml = (
        "command: python train.py --data ${{inputs.data}} --rate ${{inputs.rate}}\n"
        "code: src\n"
        "environment: azureml:sklearn@latest\n"
        "compute: azureml:cpu-cluster\n"
        "inputs:\n"
        "  data: {type: uri_file, path: iris.csv}\n"
        "  elsewhere: {type: uri_file, path: 'https://example.org/x.csv'}\n"
        "  rate: 0.1\n"
    )
    (folder / "job.yml").write_text(yaml)
    return folder / "job.yml"


def test_a_job_is_submitted_with_its_code_and_local_inputs(held: StandIn, studio: Client, tmp_path: Path) -> None:
    job = studio.jobs.create(a_job_folder(tmp_path), overrides=["compute=local"])
    assert (job.name, job.status, job.is_final) == ("calm_otter_1", "Queued", False)
    [given] = held.submitted
    assert given["set"] == ["compute=local"]
    assert given["yaml"] == (tmp_path / "job.yml").read_text()
    assert sorted(one["path"] for one in held.trees[given["code"]]) == [".amlignore", "train.py"]
    assert given["local_inputs"].keys() == {"inputs.data"}
    [csv] = held.trees[given["local_inputs"]["inputs.data"]]
    assert (csv["path"], held.blobs[csv["digest"]]) == ("iris.csv", b"a,b\n1,2\n")


def test_only_what_is_missing_is_sent(held: StandIn, studio: Client, tmp_path: Path) -> None:
    file = a_job_folder(tmp_path)
    studio.jobs.create(file)
    before = len(held.asked)
    (tmp_path / "src" / "train.py").write_text("print('changed')")
    studio.jobs.create(file)
    sent = [path for method, path, _ in held.asked[before:] if method == "PUT"]
    assert len(sent) == 1
    assert sha256(b"print('changed')") in held.blobs


def test_an_override_decides_which_local_input_is_sent(held: StandIn, studio: Client, tmp_path: Path) -> None:
    file = a_job_folder(tmp_path)
    (tmp_path / "other.csv").write_text("x")
    studio.jobs.create(file, overrides=["inputs.data.path=other.csv", "code=azureml:kept:1"])
    [given] = held.submitted
    assert held.trees[given["local_inputs"]["inputs.data"]][0]["path"] == "other.csv"
    assert given["code"] is None


def test_an_answer_that_is_lost_makes_one_job_only(held: StandIn, studio: Client, tmp_path: Path) -> None:
    held.drop_answers.append("POST /api/v1/workspaces/demo/jobs")
    assert studio.jobs.create(a_job_folder(tmp_path)).name == "calm_otter_1"
    assert len(held.submitted) == 1
    assert len([1 for method, path, _ in held.asked if method == "POST" and path.endswith("/jobs")]) == 2


def test_a_lost_upload_is_sent_again(held: StandIn, studio: Client, tmp_path: Path) -> None:
    held.drop_answers += ["PUT /api/v1/workspaces/demo/blobs"] * 2
    studio.jobs.create(a_job_folder(tmp_path))
    assert len(held.submitted) == 1


def test_a_restarting_studio_is_waited_for(held: StandIn, studio: Client) -> None:
    held.answers.append(("GET /api/v1/me", 503, {}))
    assert studio.me().username == "ada"


def test_a_post_whose_first_try_is_still_at_work_is_asked_for_until_it_is_answered(held: StandIn, studio: Client) -> None:
    held.answers.append(("POST /api/v1/clusters", 409, {"id": "idempotency-key-at-work", "title": "The first request is still at work"}))
    assert studio.clusters.attach("edge", kubeconfig="{}").name == "edge"
    held.answers.append(("POST /api/v1/clusters", 409, {"id": "name-taken", "title": "Name taken"}))
    with pytest.raises(MooringProblem, match="Name taken"):
        studio.clusters.attach("edge", kubeconfig="{}")


def test_a_post_whose_answer_is_lost_is_sent_again_with_its_key(held: StandIn, studio: Client) -> None:
    studio.me()
    held.drop_answers.append("POST /api/v1/clusters")
    assert studio.clusters.attach("edge", kubeconfig="{}").name == "edge"
    keys = [key for method, key in held.came_with if method == "POST"]
    assert len(keys) == 2 and keys[0] == keys[1] != ""


def test_a_log_is_followed_across_broken_connections(held: StandIn, studio: Client) -> None:
    held.log = b"".join(b"line %d\n" % number for number in range(1000))
    held.job("calm", soon=["Running", "Running", "Running", "Completed"], status="Queued")
    held.drop_after += [10, 0, 777, 1]
    assert b"".join(studio.jobs.stream("calm")) == held.log


def test_each_line_of_a_log_with_times_has_one_across_broken_connections(held: StandIn, studio: Client) -> None:
    held.log = b"".join(b"line %d\n" % number for number in range(100)) + b"no end"
    held.job("calm", soon=["Running"] * 6 + ["Completed"], status="Running")
    # In the middle of a time, of a line, and of the time that comes before the rest of one.
    held.drop_after += [10, 28, 12, 26, 1500, 27]
    stamped = b"".join(STAMP + line for line in held.log.splitlines(keepends=True))
    assert b"".join(studio.jobs.stream("calm", timestamps=True)) == stamped


def test_a_log_is_followed_from_an_offset(held: StandIn, studio: Client) -> None:
    held.log = b"0123456789"
    held.job("calm")
    assert b"".join(studio.jobs.stream("calm", offset=4)) == b"456789"


def test_a_first_attempt_that_is_named_late_is_not_repeated(held: StandIn, studio: Client) -> None:
    held.log = b"one\ntwo\n"
    job = held.job("calm", status="Queued", soon=["Running", "Completed"], processes=[])
    held.drop_after += [4]
    stream = studio.jobs.stream("calm")
    assert next(stream) == b"one\n"
    job["processes"] = [{"index": 0, "attempt": 1}]
    assert b"".join(stream) == b"two\n"


def test_the_log_of_a_new_attempt_follows_from_its_beginning(held: StandIn, studio: Client) -> None:
    tried, again = {"index": 0, "attempt": 1}, {"index": 0, "attempt": 2}
    job = held.job("calm", status="Running", soon=["Running", "Completed"], processes=[tried])
    held.logs = [b"first try\n"]
    held.log = b"second\n"
    stream = studio.jobs.stream("calm")
    assert next(stream) == b"first try\n"
    job["processes"] = [tried, again]
    assert b"".join(stream) == b"second\n"


def test_a_log_goes_on_after_a_restart_that_takes_longer_than_a_call(held: StandIn) -> None:
    held.log = b"one\ntwo\n"
    held.job("calm", soon=["Completed"], status="Running")
    held.drop_after += [4]
    with Client(held.url, TOKEN, workspace="demo", patience_seconds=0) as client:
        stream = client.jobs.stream("calm", patience_seconds=10)
        assert next(stream) == b"one\n"
        held.drop_answers += ["GET /api/v1/workspaces/demo/jobs/calm"] * 3
        assert b"".join(stream) == b"two\n"


def test_a_log_that_cannot_be_reached_ends_after_its_patience(held: StandIn, studio: Client) -> None:
    held.job("calm", status="Running")
    held.drop_after += [0] * 50
    with pytest.raises(ConnectionLost):
        list(studio.jobs.stream("calm", patience_seconds=0.1))


def test_waiting_tells_each_state_and_ends_with_the_job(held: StandIn, studio: Client) -> None:
    held.job("calm", status="Running", soon=["Completed"])
    seen: list[str] = []
    assert studio.jobs.wait("calm", seen=lambda job: seen.append(job.status)).status == "Completed"
    assert seen == ["Running", "Completed"]


def test_times_and_unknown_fields_are_kept(held: StandIn, studio: Client) -> None:
    held.job("calm", created_at="2026-11-23T19:00:00Z", newer={"x": 1})
    job = studio.jobs.get("calm")
    assert job.created_at == datetime(2026, 11, 23, 19, tzinfo=UTC)
    assert job.answer["newer"] == {"x": 1}


def test_lists_come_page_after_page(held: StandIn, studio: Client) -> None:
    for number in range(230):
        held.job(f"job_{number}")
    assert [job.name for job in studio.jobs.list()] == [f"job_{number}" for number in reversed(range(230))]
    assert len(studio.jobs.list(most=7)) == 7


def test_a_problem_carries_its_errors_by_line(held: StandIn, studio: Client, tmp_path: Path) -> None:
    told = {
        "id": "yaml-invalid",
        "title": "The YAML is not right",
        "detail": "It has 1 error.",
        "todo": "Correct it.",
        "errors": [{"path": "compute", "line": 4, "column": 10, "text": "There is no compute cpu-cluster."}],
    }
    held.answers.append(("POST /api/v1/workspaces/demo/jobs", 422, told))
    with pytest.raises(MooringProblem) as caught:
        studio.jobs.create(a_job_folder(tmp_path))
    assert (caught.value.id, caught.value.status) == ("yaml-invalid", 422)
    [error] = caught.value.errors
    assert (error.path, error.line, error.column) == ("compute", 4, 10)


def test_outputs_are_downloaded_checked_and_not_fetched_twice(held: StandIn, studio: Client, tmp_path: Path) -> None:
    held.job("calm")
    held.outputs = {("artifacts", "outputs/model.bin"): b"m" * 3_000_000, ("report", "a b/ü.html"): b"<p>"}
    places = studio.jobs.download("calm", tmp_path)
    assert [place.relative_to(tmp_path).as_posix() for place in places] == [
        "artifacts/outputs/model.bin",
        "named-outputs/report/a b/ü.html",
    ]
    assert places[0].read_bytes() == b"m" * 3_000_000
    before = len(held.asked)
    assert studio.jobs.download("calm", tmp_path, root="artifacts") == places[:1]
    assert len(held.asked) == before + 1


def test_an_interrupted_download_is_made_again(held: StandIn, studio: Client, tmp_path: Path) -> None:
    held.job("calm")
    held.outputs = {("artifacts", "x"): b"content"}
    held.drop_answers.append("/outputs/artifacts/x")
    [place] = studio.jobs.download("calm", tmp_path)
    assert place.read_bytes() == b"content"


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", "a\\..\\out"])
def test_an_output_never_lands_outside_the_folder(held: StandIn, studio: Client, tmp_path: Path, path: str) -> None:
    held.job("calm")
    held.outputs = {("artifacts", path): b"x"}
    with pytest.raises(MooringError) as caught:
        studio.jobs.download("calm", tmp_path / "inner")
    assert caught.value.id == "download-path-outside"
    assert list(tmp_path.rglob("out")) == []


def test_a_link_in_the_folder_leads_no_output_out_of_it(held: StandIn, studio: Client, tmp_path: Path) -> None:
    held.job("calm")
    held.outputs = {("artifacts", "x"): b"x"}
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "artifacts").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(MooringError, match="leads out"):
        studio.jobs.download("calm", tmp_path / "inner")


def test_the_only_workspace_is_used_when_none_is_named(held: StandIn) -> None:
    held.job("calm")
    with Client(held.url, TOKEN) as client:
        assert client.jobs.get("calm").name == "calm"


def test_several_workspaces_must_be_told_apart(held: StandIn) -> None:
    held.workspaces = ["demo", "vision"]
    with Client(held.url, TOKEN) as client, pytest.raises(MooringError, match="demo, vision"):
        client.jobs.list()


def test_a_wrong_token_is_a_problem_with_a_next_step(held: StandIn) -> None:
    with Client(held.url, "mrg_wrong") as client, pytest.raises(MooringProblem) as caught:
        client.me()
    assert (caught.value.status, caught.value.todo) == (401, "Do this.")


def test_an_address_without_a_studio_says_so() -> None:
    with Client("http://127.0.0.1:9", TOKEN, patience_seconds=0) as client, pytest.raises(ConnectionLost) as caught:
        client.me()
    assert caught.value.id == "studio-unreachable"
    with pytest.raises(MooringError, match="not an http"):
        Client("studio.example")


def test_a_redirect_is_not_followed_with_the_token(held: StandIn, studio: Client) -> None:
    held.answers.append(("GET /api/v1/me", 302, {}))
    with pytest.raises(MooringProblem, match="redirected"):
        studio.me()


def test_a_code_folder_that_is_not_there_is_named(held: StandIn, studio: Client, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text("command: true\ncode: ./nowhere\n")
    with pytest.raises(MooringError, match="nowhere: there is nothing of that name"):
        studio.jobs.create(tmp_path / "job.yml")
    assert held.submitted == []


def test_over_plain_http_no_authority_is_read_and_over_tls_those_that_are_asked_for() -> None:
    unread = trusted("http://studio.example")
    assert isinstance(unread, ssl.SSLContext) and (unread.verify_mode, unread.get_ca_certs()) == (ssl.CERT_REQUIRED, [])
    assert [trusted("HTTPS://studio.example"), trusted("https://studio.example", "ca.pem")] == [True, "ca.pem"]
