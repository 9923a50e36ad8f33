"""One job's pages: head, timeline, log, outputs, code, events and YAML."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.arrivals import RECORD
from jobs.keeping import append_log
from jobs.models import Job, Output, Process
from studio.assets.services import store, tree_of_uploads
from studio.core.templatetags.mooring import coded
from tests.conftest import People

Make = Callable[..., Job]
MakeProcess = Callable[..., Process]
MakeOutput = Callable[..., Output]
TABS = ("detail", "log", "outputs", "code", "events", "yaml")


def page(client: Any, view: str, job: Job, **query: str) -> str:
    """Return the text of one of a job's pages."""
    answer = client.get(reverse(f"jobs:{view}", args=["team", job.name]), query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def sent(answer: Any) -> bytes:
    """Return the bytes of a streamed answer."""
    return b"".join(answer)


@pytest.mark.parametrize("view", TABS)
@pytest.mark.parametrize("status", ["NotStarted", "Queued", "Running", "CancelRequested", "Completed", "Failed", "Canceled"])
def test_every_page_stands_in_every_state(people: People, client_for: Any, make_job: Make, view: str, status: str) -> None:
    job = make_job(status, started=None)
    assert job.name in page(client_for(people.reader), view, job)


@pytest.mark.parametrize("view", [*TABS, "outputs-zip", "code-zip"])
def test_strangers_are_told_that_there_is_nothing(people: People, client_for: Any, make_job: Make, view: str) -> None:
    job = make_job()
    assert client_for(people.stranger).get(reverse(f"jobs:{view}", args=["team", job.name])).status_code == 404
    assert client_for(people.stranger).get(reverse(f"jobs:{view}", args=["elsewhere", job.name])).status_code == 404


def test_the_attempts_of_a_job_are_shown_by_page_and_api(
    people: People, client_for: Any, make_job: Make, make_process: MakeProcess
) -> None:
    job, client = make_job("Running", retries=3), client_for(people.reader)
    for attempt in (1, 2):
        make_process(job, attempt=attempt)
    assert "<dt>Retries</dt><dd>1 of 3 used</dd>" in page(client, "detail", job)
    told = client.get(f"/api/v1/workspaces/team/jobs/{job.name}").json()
    assert (told["retries"], told["retries_used"], [each["attempt"] for each in told["processes"]]) == (3, 1, [1, 2])


def test_a_failure_says_what_to_do_and_keeps_the_evidence_folded(
    people: People, client_for: Any, make_job: Make, make_process: MakeProcess
) -> None:
    job = make_job("Failed", problem_id="job-exit-code", problem_params={"code": 3, "where": ""})
    make_process(job, node="node-a", exit={"code": 3, "signal": None, "reason": "exited"})
    text = page(client_for(people.reader), "detail", job)
    assert "The command ended with exit code 3." in text and "Read the end of the log" in text
    assert "job-exit-code" in text and "exit code 3, signal None, exited" in text


def test_the_timeline_has_each_state_that_lasted(people: People, make_job: Make) -> None:
    from jobs.selectors import phases_of

    job, start = make_job(), timezone.now() - timedelta(seconds=100)
    for status, at in (("NotStarted", 0), ("Queued", 0.01), ("Preparing", 4), ("Running", 13), ("Finalizing", 85), ("Completed", 87)):
        job.transitions.create(old="", status=status, at=start + timedelta(seconds=at))
    told = [(phase["title"], phase["kind"], round((phase["end"] - phase["start"]).total_seconds())) for phase in phases_of(job)]
    assert told == [("Queued", "wait", 4), ("Preparing", "prepare", 9), ("Running", "run", 72), ("Finalizing", "finish", 2)]


def test_the_last_phase_of_a_job_that_runs_goes_on(people: People, make_job: Make) -> None:
    from jobs.selectors import phases_of

    job = make_job("Running", lasted=None)
    job.transitions.create(old="", status="Queued", at=timezone.now() - timedelta(seconds=9))
    job.transitions.create(old="Queued", status="Running", at=timezone.now() - timedelta(seconds=5))
    assert phases_of(job)[-1]["end"] is None


@pytest.mark.parametrize("part", ["head", "files", "facts", "tail"])
def test_parts_of_the_overview_come_alone(people: People, client_for: Any, make_job: Make, part: str) -> None:
    text = page(client_for(people.contributor), "detail", make_job("Running", lasted=None), part=part)
    assert "<html" not in text and 'id="job-' in text


def test_only_who_may_act_is_offered_to(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job("Running", lasted=None)
    assert "/cancel/" in page(client_for(people.contributor), "detail", job)
    assert "/cancel/" not in page(client_for(people.reader), "detail", job)


def test_bytes_of_a_log_come_by_range_with_its_size(people: People, client_for: Any, make_job: Make, make_process: MakeProcess) -> None:
    process = make_process(make_job("Running", lasted=None), b"0123456789")
    url = reverse("jobs:log-bytes", args=["team", process.job.name, process.pk, "std_log.txt"])
    answer = client_for(people.reader).get(url, {"from": 3, "to": 6})
    assert (sent(answer), answer.headers["X-Log-Size"], answer.headers["X-Log-Ended"]) == (b"345", "10", "false")
    past = client_for(people.reader).get(url, {"from": 50, "to": 60})
    assert (sent(past), past.headers["X-Log-Size"]) == (b"", "10")


def test_a_log_that_is_whole_says_so(people: People, client_for: Any, make_job: Make, make_process: MakeProcess) -> None:
    process = make_process(make_job("Running", lasted=None), b"x", log_final=True)
    url = reverse("jobs:log-bytes", args=["team", process.job.name, process.pk, "std_log.txt"])
    assert client_for(people.reader).get(url).headers["X-Log-Ended"] == "true"


def test_only_the_logs_of_the_job_in_the_address_are_served(
    people: People, client_for: Any, make_job: Make, make_process: MakeProcess
) -> None:
    job, other = make_job(), make_process(make_job(), b"secret")
    client = client_for(people.reader)
    assert client.get(reverse("jobs:log-bytes", args=["team", job.name, other.pk, "std_log.txt"])).status_code == 404
    assert client.get(reverse("jobs:log-bytes", args=["team", other.job.name, other.pk, "token"])).status_code == 404


def test_a_log_is_downloaded_whole(people: People, client_for: Any, make_job: Make, make_process: MakeProcess) -> None:
    process = make_process(make_job(), b"line\n" * 200_000)
    answer = client_for(people.reader).get(reverse("jobs:log-download", args=["team", process.job.name, process.pk, "std_log.txt"]))
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert len(sent(answer)) == 1_000_000 == int(answer.headers["Content-Length"])


def test_page_and_api_give_the_times_of_a_log_that_is_over(
    people: People, client_for: Any, make_job: Make, make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, noon = make_process(make_job(), log_final=True), 1_772_366_400_000
    for offset, text in ((0, b"one\n"), (4, b"two\n")):
        monkeypatch.setattr("jobs.arrivals.time.time_ns", lambda at=offset: (noon + at * 500) * 1_000_000)
        append_log(process.log_path(), "log:1", offset, text)
    monkeypatch.undo()
    client, names = client_for(people.reader), ["team", process.job.name]
    records = sent(client.get(reverse("jobs:log-times", args=[*names, process.pk, "std_log.txt"]), {"from": 5}))
    assert list(RECORD.iter_unpack(records)) == [(4, noon + 2000)]
    api = f"/api/v1/workspaces/team/jobs/{process.job.name}/logs/0"
    for follow in ("false", "true"):
        answer = client.get(api, {"timestamps": "true", "follow": follow, "offset": 2})
        assert sent(answer) == b"2026-03-01T12:00:00.000Z e\n2026-03-01T12:00:02.000Z two\n"
    assert sent(client.get(api)) == b"one\ntwo\n"
    assert sent(client.get(reverse("jobs:log-download", args=[*names, process.pk, "std_log.txt"]))) == b"one\ntwo\n"
    shown = page(client, "log", process.job)
    assert "data-log-times" in shown and f"/{process.pk}/std_log.txt/times" in shown


def test_several_processes_have_a_tab_each(people: People, client_for: Any, make_job: Make, make_process: MakeProcess) -> None:
    job = make_job(instance_count=2)
    make_process(job, index=0)
    make_process(job, index=1)
    make_process(job, index=1, attempt=2)
    text = page(client_for(people.reader), "log", job)
    assert "Process 0" in text and "Process 1, attempt 1" in text and "Process 1, attempt 2" in text


def test_a_cut_log_is_marked(people: People, client_for: Any, make_job: Make, make_process: MakeProcess) -> None:
    job = make_job("Failed")
    make_process(job, b"x", log_tail_lost=True)
    assert "the last lines are missing" in page(client_for(people.reader), "log", job)


def test_outputs_are_shown_by_root_with_the_file_in_place(people: People, client_for: Any, make_job: Make, make_output: MakeOutput) -> None:
    job = make_job()
    make_output(job, "outputs/rows.csv", b"a,b\n1,<i>2</i>\n")
    make_output(job, "meta/MLmodel", b"flavors: {}\n", root="model")
    text = page(client_for(people.reader), "outputs", job, file="artifacts/outputs/rows.csv")
    assert '<th scope="col">a</th>' in text and "&lt;i&gt;2&lt;/i&gt;" in text
    assert "MLmodel" in text and ">model<" in text


def test_an_output_that_is_not_there_is_not_found(people: People, client_for: Any, make_job: Make) -> None:
    url = reverse("jobs:outputs", args=["team", make_job().name])
    assert client_for(people.reader).get(url, {"file": "artifacts/../../etc/passwd"}).status_code == 404


@pytest.mark.parametrize(
    ("name", "kind", "disposition"),
    [
        ("a.html", "application/octet-stream", "attachment"),
        ("a.js", "application/octet-stream", "attachment"),
        ("a.pdf", "application/octet-stream", "attachment"),
        ("a.svg", "image/svg+xml", "inline"),
        ("a.png", "image/png", "inline"),
    ],
)
def test_what_a_job_wrote_never_runs_in_our_origin(
    people: People, client_for: Any, make_job: Make, make_output: MakeOutput, name: str, kind: str, disposition: str
) -> None:
    row = make_output(make_job(), name, b"<script>alert(1)</script>")
    answer = client_for(people.reader).get(reverse("jobs:output-file", args=["team", row.job.name, row.root, row.path]))
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Content-Disposition"].startswith(disposition)
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert sent(answer) == b"<script>alert(1)</script>"


def test_a_name_from_a_job_cannot_break_a_header(people: People, client_for: Any, make_job: Make, make_output: MakeOutput) -> None:
    row = make_output(make_job(), 'outputs/q"uote; größe.bin', b"1")
    answer = client_for(people.reader).get(reverse("jobs:output-file", args=["team", row.job.name, row.root, row.path]))
    assert 'filename="q_uote_ gr__e.bin"' in answer.headers["Content-Disposition"].replace("gr_e", "gr__e")
    assert "filename*=UTF-8''q%22uote%3B%20gr%C3%B6%C3%9Fe.bin" in answer.headers["Content-Disposition"]


def test_all_outputs_come_as_one_zip_even_when_names_differ_in_case_only(
    people: People, client_for: Any, make_job: Make, make_output: MakeOutput
) -> None:
    job = make_job()
    for path, content, root in (("outputs/A.txt", b"1", "artifacts"), ("outputs/a.txt", b"2", "artifacts"), ("m.bin", b"3", "model")):
        make_output(job, path, content, root)
    answer = client_for(people.reader).get(reverse("jobs:outputs-zip", args=["team", job.name]))
    with zipfile.ZipFile(io.BytesIO(sent(answer))) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held == {f"{job.name}/outputs/A.txt": b"1", f"{job.name}/outputs/a.txt": b"2", f"{job.name}/model/m.bin": b"3"}


def test_code_is_browsed_and_taken_as_it_ran(people: People, client_for: Any, make_job: Make) -> None:
    files = [("train.py", io.BytesIO(b"print('<hi>')\n")), ("lib/a.py", io.BytesIO(b"x = 1\n"))]
    job = make_job(code_digest=tree_of_uploads(people.workspace, files).digest)
    client = client_for(people.reader)
    assert "print(&#x27;&lt;hi&gt;&#x27;)" in page(client, "code", job, file="train.py")
    with zipfile.ZipFile(io.BytesIO(sent(client.get(reverse("jobs:code-zip", args=["team", job.name]))))) as archive:
        assert sorted(archive.namelist()) == ["lib/a.py", "train.py"]


def test_events_say_when_the_cluster_does_not_answer(people: People, client_for: Any, make_job: Make) -> None:
    text = page(client_for(people.reader), "events", make_job(), part="cluster")
    assert "Cluster gpu-a does not answer" in text


def test_the_yaml_is_shown_as_given_with_what_became_of_it(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job(warnings=[{"path": "identity", "text": "`identity` has no effect on Kubernetes."}])
    text = page(client_for(people.reader), "yaml", job)
    assert "${{inputs.word}}" in text and "echo hello" in text and "has no effect on Kubernetes" in text
    answer = client_for(people.reader).get(reverse("jobs:yaml", args=["team", job.name]), {"download": "1"})
    assert sent(answer) == job.yaml.encode()


def test_the_head_that_comes_alone_brings_the_tabs_along(people: People, client_for: Any, make_job: Make, make_output: MakeOutput) -> None:
    job = make_job()
    make_output(job, "outputs/a.txt", b"1")
    text = page(client_for(people.reader), "detail", job, part="head", tab="log")
    assert 'id="job-tabs" hx-swap-oob="true"' in text and '<span class="count">1</span>' in text
    assert f'href="{reverse("jobs:log", args=["team", job.name])}" aria-current="page"' in text


def test_the_head_says_no_more_than_the_tabs_that_there_are(people: People, client_for: Any, make_job: Make) -> None:
    text = page(client_for(people.reader), "detail", make_job(), part="head", tab='"><script>')
    assert "<script>" not in text and "tab=detail" in text


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        ("bytes=2-4", 206, b"cde", "bytes 2-4/10"),
        ("bytes=7-", 206, b"hij", "bytes 7-9/10"),
        ("bytes=-2", 206, b"ij", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"ij", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=0-1,4-5", 200, b"abcdefghij", None),
        ("bytes=5-2", 200, b"abcdefghij", None),
        ("lines=1-2", 200, b"abcdefghij", None),
    ],
)
def test_a_part_of_an_output_can_be_asked_for(
    make_job: Make, people: People, client_for: Any, asked: str, status: int, body: bytes, said: str | None
) -> None:
    job = make_job("Completed")
    digest = store().put(b"abcdefghij").digest
    Output.objects.create(job=job, root="artifacts", path="outputs/a.bin", size=10, digest=digest)
    client = client_for(people.reader)
    for url in (f"/w/team/jobs/{job.name}/outputs/artifacts/outputs/a.bin?download=1",
                f"/api/v1/workspaces/team/jobs/{job.name}/outputs/artifacts/outputs/a.bin"):  # fmt: skip
        answer = client.get(url, headers={"Range": asked})
        got = sent(answer) if answer.streaming else answer.content
        assert (answer.status_code, got, answer.headers.get("Content-Range")) == (status, body, said)
        assert answer["Accept-Ranges"] == "bytes" and answer["ETag"] == f'"{digest}"'
        changed = client.get(url, headers={"Range": asked, "If-Range": '"another"'})
        assert changed.status_code == 200 and sent(changed) == b"abcdefghij"


def test_what_stands_between_backticks_is_code_and_nothing_else_is_markup() -> None:
    assert coded("Leave `name` out <b>`x<y`</b>") == "Leave <code>name</code> out &lt;b&gt;<code>x&lt;y</code>&lt;/b&gt;"
    assert coded("one ` alone") == "one ` alone"


def test_without_a_compute_the_list_says_what_to_do_first(people: People, client_for: Any) -> None:
    text = client_for(people.contributor).get("/w/team/jobs/").content.decode()
    assert "No compute yet" in text and "Submit" not in text.split("<main")[-1].split("</main")[0].replace("Submitted", "")
    text = client_for(people.admin).get("/w/team/jobs/").content.decode()
    assert "Go to clusters" in text
    assert "No compute yet" in client_for(people.contributor).get("/w/team/jobs/-/new/?as=yaml").content.decode()
