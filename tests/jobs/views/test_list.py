"""The list of jobs: what it shows, to whom, and at what price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.models import Job
from jobs.selectors import jobs_of
from tests.conftest import People

Make = Callable[..., Job]


def listed(client: Any, people: People, **query: Any) -> list[str]:
    """Return the names of the jobs on the page."""
    answer = client.get(reverse("jobs:list", args=[people.workspace.name]), query)
    assert answer.status_code == 200
    return [line.row.name for line in answer.context["list"].lines]


def test_it_shows_the_newest_first(people: People, client_for: Any, make_job: Make) -> None:
    first, second = make_job(), make_job()
    assert listed(client_for(people.reader), people) == [second.name, first.name]


def test_it_leaves_out_deleted_jobs_and_those_of_other_workspaces(people: People, client_for: Any, make_job: Make) -> None:
    make_job(deleted_at=timezone.now())
    assert listed(client_for(people.reader), people) == []
    assert client_for(people.stranger).get(reverse("jobs:list", args=["team"])).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"show": "mine"}, {"mine"}),
        ({"show": "running"}, {"runs"}),
        ({"show": "failed"}, {"failed"}),
        ({"state": "Failed"}, {"failed"}),
        ({"state": ["Failed", "Running"]}, {"failed", "runs"}),
        ({"experiment": "iris"}, {"mine"}),
        ({"compute": "elsewhere"}, {"runs"}),
        ({"tag": "stage"}, {"mine", "failed"}),
        ({"tag": "stage=dev"}, {"mine"}),
        ({"tag": ["stage=dev", "team=x y"]}, {"mine"}),
        ({"tag": "a b=1"}, {"runs"}),
        ({"q": "nightly"}, {"failed"}),
        ({"q": "IRIS"}, {"mine"}),
        ({"q": "größe"}, {"runs"}),
        ({"q": "mine dev"}, {"mine"}),
        ({"q": "nothing like it"}, set()),
        ({"state": "Nonsense", "show": "nonsense"}, {"mine", "runs", "failed"}),
    ],
)
def test_a_filter_shows_what_it_names(people: People, client_for: Any, make_job: Make, query: dict[str, Any], found: set[str]) -> None:
    make_job(name="mine", submitted_by=people.reader, experiment="iris", tags={"stage": "dev", "team": "x y"})
    make_job("Running", name="runs", lasted=None, compute_name="elsewhere", tags={"a b": "1", "k": "größe"})
    make_job("Failed", name="failed", display_name="Nightly scoring", tags={"stage": "prod"})
    assert set(listed(client_for(people.reader), people, **query)) == found


def test_paging_reaches_every_job_once(people: People, client_for: Any, make_job: Make) -> None:
    made = [make_job().name for _ in range(120)]
    client = client_for(people.reader)
    url, seen = reverse("jobs:list", args=["team"]), []
    after: str | None = ""
    while after is not None:
        answer = client.get(url, {"after": after})
        seen += [line.row.name for line in answer.context["list"].lines]
        after = answer.context["list"].next
    assert seen == made[::-1]


def test_the_number_of_queries_does_not_grow_with_the_rows(
    people: People, client_for: Any, make_job: Make, django_assert_max_num_queries: Any
) -> None:
    client = client_for(people.contributor)
    url = reverse("jobs:list", args=["team"])
    for _ in range(50):
        make_job(tags={"a": "b"})
    client.get(url)  # the first visit also writes down where the person works
    with django_assert_max_num_queries(14):
        assert client.get(url).content.count(b'id="job-') == 50


def test_htmx_gets_the_table_and_the_chips_alone(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job()
    answer = client_for(people.reader).get(reverse("jobs:list", args=["team"]), headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert job.name in text and 'id="list"' in text and 'hx-swap-oob="true"' in text
    assert "<html" not in text


def test_a_count_beyond_a_thousand_is_not_counted_on(people: People, client_for: Any, make_job: Make) -> None:
    job = make_job()
    fields = {field.name: getattr(job, field.name) for field in Job._meta.fields if field.name not in ("id", "name")}
    Job.objects.bulk_create([Job(**fields, name=f"many_{number}") for number in range(1005)])
    answer = client_for(people.reader).get(reverse("jobs:list", args=["team"]))
    assert answer.context["list"].chips[0]["count"] == "1,000+"
    assert b"1,000+ jobs" in answer.content


def test_the_longest_job_of_the_page_fills_its_bar(people: People, client_for: Any, make_job: Make) -> None:
    make_job(started=100, lasted=10)
    make_job(started=100, lasted=40)
    text = client_for(people.reader).get(reverse("jobs:list", args=["team"])).content.decode()
    assert 'class="bar-used" width="100.00"' in text and 'class="bar-used" width="25.00"' in text


def test_a_reader_is_offered_no_action(people: People, client_for: Any, make_job: Make) -> None:
    make_job("Running", lasted=None)
    text = client_for(people.reader).get(reverse("jobs:list", args=["team"])).content.decode()
    assert "data-check" not in text and "Submit job" not in text and "/cancel/" not in text


def test_an_empty_list_says_how_to_begin(people: People, client_for: Any, compute: Any) -> None:
    text = client_for(people.contributor).get(reverse("jobs:list", args=["team"])).content.decode()
    assert "No job yet" in text and "mooring job create -f job.yml -w team --stream" in text


def test_an_empty_workspace_without_a_compute_says_that_first(people: People, client_for: Any) -> None:
    assert b"No compute yet" in client_for(people.contributor).get(reverse("jobs:list", args=["team"])).content


def test_words_of_people_are_escaped(people: People, client_for: Any, make_job: Make) -> None:
    make_job(display_name="<script>alert(1)</script>", tags={"<b>": '"x'}, experiment="<i>", reason="<u>")
    text = client_for(people.contributor).get(reverse("jobs:list", args=["team"]), {"q": "<script>"}).content.decode()
    assert "<script>alert" not in text and "<b>&lt;" in text and "<u>" not in text


def test_a_jobs_workspace_is_known_without_a_join(people: People) -> None:
    # With it SQLite starts at the workspaces, reads all jobs there are and sorts them: 300 ms with 100,000 of them, 55 without.
    found = jobs_of(people.workspace)
    assert "accounts_workspace" not in str(found.query)
    make = Job.objects.create(workspace=people.workspace, yaml="", command="", image="", compute_name="", namespace="")
    assert found.get(pk=make.pk).workspace is people.workspace
