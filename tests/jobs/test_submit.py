"""From a YAML to a job's row, and what people do with the job then."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from compute.models import Compute
from jobs import services
from jobs.launch import plan_of
from jobs.manifests import render_job
from jobs.models import Job, Process
from jobs.submit import check_job
from studio.assets.services import set_image_rule, tree_of_uploads
from studio.audit.models import Entry
from studio.core.errors import ProblemError, ProblemList
from tests.conftest import People
from tests.jobs.conftest import YAML, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("compute", "studio_address")]
Make = Callable[..., Job]


@pytest.fixture(autouse=True)
def sent(nudges: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return nudges


def submit(people: People, text: str = YAML, **given: Any) -> Job:
    return services.submit_job(people.contributor, people.workspace, text=text, **given)


def problems(people: People, text: str, **given: Any) -> dict[str, ProblemError]:
    with pytest.raises(ProblemList) as raised:
        submit(people, text, **given)
    return {error.problem.id: error for error in raised.value.errors}


def test_a_yaml_becomes_a_row_with_everything_that_will_run(
    people: People, compute: Compute, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    text = """\
display_name: Flowers
experiment_name: iris
command: python train.py --epochs ${{inputs.epochs}} --out ${{outputs.model}}
environment: {image: "python:3.11"}
compute: azureml:local
inputs: {epochs: 3}
outputs: {model: {type: uri_folder}}
environment_variables: {A: "1"}
limits: {timeout: 60}
retry_settings: {max_retries: 2}
tags: {team: red}
"""
    with django_capture_on_commit_callbacks(execute=True):
        job = submit(people, text)
    assert (job.status, job.display_name, job.experiment, job.tags) == ("NotStarted", "Flowers", "iris", {"team": "red"})
    assert job.command == "python train.py --epochs 3 --out /mooring/outputs/model"
    assert (job.image, job.timeout_seconds, job.instance_type) == ("python:3.11", 60, "small")
    assert (job.retries, render_job(plan_of(job))["spec"]["backoffLimit"]) == (2, 2)
    assert (job.compute, job.cluster, job.namespace, job.transport) == (compute, compute.cluster, "mooring-team", "direct")
    assert job.environment_variables["A"] == "1" and job.environment_variables["PYTHONUNBUFFERED"] == "1"
    assert job.yaml == text and len(job.token) > 30 and job.submitted_by == people.contributor
    assert sent == [("jobs.start", job.pk)]
    assert Entry.objects.get(verb="submitted").target_name == job.name
    assert [move.status for move in job.transitions.all()] == ["NotStarted"]


def test_a_cluster_whose_pods_cannot_call_is_fed_through_its_api_server(people: People, compute: Compute) -> None:
    compute.cluster.pods_reach_studio = False
    compute.cluster.save()
    assert submit(people).transport == "push"


def test_a_studio_without_a_runner_refuses_jobs_before_they_wait(people: People, settings: Any, client_for: Any) -> None:
    settings.RUNNER_IMAGE = ""
    assert "MOORING_RUNNER_IMAGE" in problems(people, YAML)["runner-image-unknown"].as_dict()["todo"]
    client = client_for(people.contributor)
    page = client.post("/w/team/jobs/-/new/", {"as": "yaml", "yaml": YAML})
    assert page.status_code == 422 and "runner-image-unknown" in page.content.decode()
    for place in ("jobs", "jobs/validate"):
        answer = client.post(f"/api/v1/workspaces/team/{place}", {"yaml": YAML}, content_type="application/json")
        assert (answer.status_code, answer.json()["id"]) == (409, "runner-image-unknown")
    assert not Job.objects.exists()


def test_an_error_says_in_which_line_it_is(people: People) -> None:
    found = problems(people, "command: echo\nenvironment:\n  image: python:3.11\ncompute: azureml:nowhere\n")
    told = found["job-compute-unknown"].as_dict()
    assert (told["line"], told["field"]) == (4, "compute") and told["column"]
    assert "local" in told["todo"]


def test_a_yaml_that_cannot_be_read_is_told_at_its_place(people: People) -> None:
    (error,) = problems(people, "command: echo\n  oops: [\n").values()
    assert error.as_dict()["line"] in {2, 3}


def test_all_problems_are_told_at_once(people: People) -> None:
    text = "command: echo\nenvironment: azureml:nobody-knows@latest\ncompute: azureml:nowhere\nresources: {instance_type: huge}\n"
    assert {"job-compute-unknown", "job-image-unknown"} <= problems(people, text).keys()


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ("services: {my_jupyter: {type: jupyter_lab}}\n", "services"),
        ("distribution: {type: pytorch, process_count_per_instance: 2}\n", "pytorch"),
    ],
)
def test_what_this_studio_cannot_give_is_refused_by_name(people: People, more: str, word: str) -> None:
    assert word in problems(people, YAML + more)["job-needs-not-there"].text


def test_an_environment_of_a_name_needs_a_rule_for_images(people: People) -> None:
    text = YAML.replace("environment:\n  image: python:3.11", "environment: azureml:AzureML-sklearn-1.5@latest")
    assert "job-image-unknown" in problems(people, text)
    set_image_rule(people.operator, pattern="*sklearn*", image="registry/sklearn:1")
    job = submit(people, text)
    assert (job.image, job.image_asked) == ("registry/sklearn:1", "azureml:AzureML-sklearn-1.5@latest")


def test_the_first_rule_that_matches_stands_in_for_an_image(people: People) -> None:
    set_image_rule(people.operator, pattern="python:*", image="registry/last:1", position=20)
    set_image_rule(people.operator, pattern="python:3*", image="registry/first:1", position=10)
    assert submit(people).image == "registry/first:1"


def test_a_compute_of_another_workspace_is_unknown(people: People) -> None:
    other = people.stranger.workspaces.get()
    with pytest.raises(ProblemList) as raised:
        services.submit_job(people.stranger, other, text=YAML)
    (error,) = raised.value.errors
    assert error.problem.id == "job-compute-unknown" and "local" not in error.todo


def test_a_compute_that_is_being_detached_takes_no_job(people: People, compute: Compute) -> None:
    compute.status = "detaching"
    compute.save()
    assert "job-compute-not-ready" in problems(people, YAML)


def test_files_that_did_not_come_are_asked_for(people: People) -> None:
    text = YAML + "code: ./src\ninputs: {flowers: {type: uri_file, path: ./flowers.csv}}\n"
    assert {"job-code-missing", "job-input-missing"} <= problems(people, text).keys()


def test_code_of_another_workspace_is_not_to_be_had_by_its_digest(people: People) -> None:
    other = people.stranger.workspaces.get()
    digest = tree_of_uploads(other, [("secret.py", io.BytesIO(b"theirs"))]).digest
    assert "job-code-unknown" in problems(people, YAML + "code: ./src\n", code=digest)


def test_a_file_given_as_an_input_is_brought_to_where_the_command_looks(people: People) -> None:
    digest = tree_of_uploads(people.workspace, [("flowers.csv", io.BytesIO(b"a,b\n"))]).digest
    text = YAML.replace("echo hello", "cat ${{inputs.flowers}}") + "inputs: {flowers: {type: uri_file, path: ./flowers.csv}}\n"
    job = submit(people, text, local_inputs={"flowers": digest})
    assert job.command == "cat /mooring/inputs/flowers/flowers.csv"
    assert job.inputs["flowers"]["mount"] == {"kind": "file", "digest": digest, "path": "/mooring/inputs/flowers/flowers.csv"}


def test_a_check_without_files_accepts_what_will_be_sent(people: People) -> None:
    text = YAML + "code: ./src\ninputs: {flowers: {type: uri_file, path: ./flowers.csv}}\n"
    assert check_job(people.workspace, text, [], "", {}, files=False).compute.name == "local"
    assert not Job.objects.exists()


def test_what_has_no_effect_is_kept_as_a_warning(people: People) -> None:
    job = submit(people, YAML + "identity: {type: managed}\n")
    assert job.warnings and all({"text"} <= warning.keys() for warning in job.warnings)


def test_a_name_that_is_taken_is_told_and_makes_no_second_job(people: People) -> None:
    submit(people, YAML + "name: my_job\n")
    with pytest.raises(ProblemError) as raised:
        submit(people, YAML + "name: my_job\n")
    assert raised.value.problem.id == "job-name-taken" and Job.objects.count() == 1


@pytest.mark.parametrize("key", ["k", "k" * 100, "k" * 101, "ü" * 300])
def test_a_request_sent_again_gives_the_job_it_made(people: People, key: str) -> None:
    first = submit(people, idempotency_key=key)
    assert submit(people, idempotency_key=key) == first
    assert submit(people, idempotency_key="another") != first
    assert submit(people) != submit(people)


def test_the_same_key_in_another_workspace_is_another_job(people: People, compute: Compute) -> None:
    other = people.stranger.workspaces.get()
    compute.pk, compute.workspace, compute.namespace = None, other, "mooring-elsewhere"
    compute.save()
    first = submit(people, idempotency_key="k")
    assert services.submit_job(people.stranger, other, text=YAML, idempotency_key="k") != first


def test_a_resubmitted_job_is_the_same_under_a_name_of_its_own(people: People) -> None:
    digest = tree_of_uploads(people.workspace, [("flowers.csv", io.BytesIO(b"a,b\n"))]).digest
    text = YAML + "name: my_job\ninputs: {flowers: {type: uri_file, path: ./flowers.csv}}\n"
    first = submit(people, text, local_inputs={"flowers": digest})
    second = services.resubmit_job(people.contributor, first)
    assert second.name != first.name and second.parent_name == first.name and second.token != first.token
    assert (second.command, second.inputs, second.image, second.compute) == (first.command, first.inputs, first.image, first.compute)


def test_a_job_submitted_with_overrides_is_resubmitted_with_them(people: People) -> None:
    text = YAML.replace("echo hello", "echo ${{inputs.word}}") + "inputs: {word: hello}\n"
    first = submit(people, text, overrides=["inputs.word=moin", "name=my_job"])
    assert first.command == "echo moin"
    second = services.resubmit_job(people.contributor, first)
    assert second.command == "echo moin" and second.name != "my_job"


def test_a_job_that_was_written_as_json_is_resubmitted_too(people: People) -> None:
    first = submit(people, '{"name": "my_job", "command": "echo hello", "environment": {"image": "python:3.11"}, "compute": "azureml:local"}')
    assert services.resubmit_job(people.contributor, first).command == "echo hello"


def test_a_job_that_has_not_started_is_canceled_at_once(people: People, make_job: Make) -> None:
    job = services.cancel_job(people.contributor, make_job())
    assert job.status == "Canceled" and Entry.objects.get().verb == "canceled"


def test_canceling_twice_asks_once(people: People, make_job: Make) -> None:
    job = make_job("Running", object_uid="u")
    for _ in range(2):
        assert services.cancel_job(people.contributor, job).status == "CancelRequested"
    assert Entry.objects.count() == 1


def test_a_job_that_is_over_is_not_canceled(people: People, make_job: Make) -> None:
    with pytest.raises(ProblemError, match="job-over"):
        services.cancel_job(people.contributor, make_job("Completed"))


def test_a_job_that_runs_is_not_deleted(people: People, make_job: Make) -> None:
    with pytest.raises(ProblemError, match="job-not-over"):
        services.delete_job(people.contributor, make_job("Running"))


def test_a_deleted_job_is_erased_once_it_is_out_of_its_cluster(people: People, make_job: Make) -> None:
    job = make_job("Completed")
    write_log(Process.objects.create(job=job, index=0, pod_uid="u", pod_name="p"), b"hello")
    folder = job.folder
    services.delete_job(people.contributor, job)
    services.erase_job(job.pk)
    assert Job.objects.filter(pk=job.pk).exists() and folder.exists()
    Job.objects.update(cleaned=True)
    for _ in range(2):
        services.erase_job(job.pk)
    assert not Job.objects.exists() and not folder.exists()
    assert Entry.objects.get(verb="deleted").target_name == job.name


def test_a_job_that_nobody_deleted_is_never_erased(make_job: Make) -> None:
    job = make_job("Completed", cleaned=True)
    services.erase_job(job.pk)
    assert Job.objects.filter(pk=job.pk).exists()
    Job.objects.update(deleted_at=timezone.now())
    services.erase_job(job.pk)
    assert not Job.objects.exists()
