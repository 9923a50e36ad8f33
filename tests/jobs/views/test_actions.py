"""Cancel, resubmit, delete: from a job's page and for several at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from jobs.models import Job
from tests.conftest import People

Make = Callable[..., Job]


def do(client: Any, what: str, job: Job) -> Any:
    """Post one of a job's actions."""
    return client.post(reverse(f"jobs:{what}", args=["team", job.name]))


def test_cancel_asks_a_running_job_to_end(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job("Running", lasted=None)
    assert do(client_for(people.contributor), "cancel", job).status_code == 302
    job.refresh_from_db()
    assert job.status == "CancelRequested"


def test_cancel_of_a_job_that_is_over_says_so(people: People, client_for: Any, make_job: Make) -> None:
    job, client = make_job("Completed"), client_for(people.contributor)
    page = client.get(do(client, "cancel", job).headers["Location"])
    assert b"The job is over" in page.content


def test_delete_takes_an_ended_job_off_the_list(people: People, client_for: Any, make_job: Make) -> None:
    job, client = make_job("Failed"), client_for(people.contributor)
    do(client, "delete", job)
    assert client.get(reverse("jobs:detail", args=["team", job.name])).status_code == 404


def test_delete_of_a_running_job_is_refused(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job("Running", lasted=None)
    do(client_for(people.contributor), "delete", job)
    job.refresh_from_db()
    assert job.deleted_at is None


def test_resubmit_makes_a_second_job_of_the_same_kind(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job("Failed")
    answer = do(client_for(people.contributor), "resubmit", job)
    made = Job.objects.exclude(pk=job.pk).get()
    assert answer.headers["Location"] == reverse("jobs:detail", args=["team", made.name])
    assert (made.parent_name, made.command, made.status) == (job.name, "echo hello", "NotStarted")


@pytest.mark.parametrize("what", ["cancel", "resubmit", "delete"])
def test_a_reader_may_do_none_of_it_and_nothing_happens_by_looking(people: People, client_for: Any, make_job: Make, what: str) -> None:
    job = make_job("Running", lasted=None)
    assert do(client_for(people.reader), what, job).status_code == 403
    assert do(client_for(people.stranger), what, job).status_code == 404
    assert client_for(people.contributor).get(reverse(f"jobs:{what}", args=["team", job.name])).status_code == 405


def bulk(client: Any, action: str, *jobs: Job, **more: str) -> Any:
    """Post the bar of the list."""
    return client.post(reverse("jobs:bulk", args=["team"]), {"action": action, "chosen": [job.name for job in jobs], **more})


def test_several_are_named_before_any_goes(people: People, client_for: Any, make_job: Make) -> None:
    over, runs = make_job(display_name="The old one"), make_job("Running", lasted=None, display_name="The live one")
    text = bulk(client_for(people.contributor), "delete", over, runs).content.decode()
    assert text.index("These will be deleted") < text.index("The old one") < text.index("Left alone") < text.index("The live one")
    assert Job.objects.filter(deleted_at=None).count() == 2


def test_several_go_once_that_is_sure(people: People, client_for: Any, make_job: Make) -> None:
    over, runs = make_job(), make_job("Running", lasted=None)
    client = client_for(people.contributor)
    bulk(client, "delete", over, sure="1")
    bulk(client, "cancel", runs, sure="1")
    assert Job.objects.get(pk=over.pk).deleted_at is not None
    assert Job.objects.get(pk=runs.pk).status == "CancelRequested"


def test_jobs_of_other_workspaces_cannot_be_among_them(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job()
    answer = client_for(people.stranger).post(
        reverse("jobs:bulk", args=["elsewhere"]), {"action": "delete", "chosen": [job.name], "sure": "1"}
    )
    assert answer.status_code == 302
    assert Job.objects.get(pk=job.pk).deleted_at is None
