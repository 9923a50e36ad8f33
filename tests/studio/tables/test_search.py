"""Search by the database's index of words: in step with the rows, whatever is typed."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.models import WORDS, Job
from jobs.tables import JOBS
from studio.tables.asked import pairs_of, read
from studio.tables.keyset import slice_of
from studio.tables.narrowing import counts, narrowed, order_of
from tests.conftest import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs(people: People) -> list[Job]:
    """Make 30 jobs, every third of which is about otters."""
    given = {"workspace": people.workspace, "yaml": "x", "command": "x", "image": "x", "compute_name": "local", "namespace": "n"}
    names = ("the calm otter", "ÄRGER heron", "lynx % _ \"quoted\"")
    return [Job.objects.create(name=f"job_{number}", display_name=names[number % 3], **given) for number in range(30)]


def search(text: str) -> list[str]:
    asked = read(JOBS, [("q", text)])
    rows = narrowed(JOBS, Job.objects.all(), asked, None)
    found = slice_of(rows, order_of(JOBS, asked), size=100).rows
    assert counts({"all": rows}) == {"all": len(found)}
    return [row.name for row in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [("otter", 10), ("TTE", 10), ("calm ott", 10), ("ärger", 10), ("% _", 10), ('"quoted"', 10), ("y", 10), ("job_29", 1),
     ("otter heron", 0), ("OR", 0), ("NEAR(a b)", 0), ("*", 0), ("words:otter", 0), ("'", 0)],
)  # fmt: skip
def test_it_finds_words_within_words(jobs: list[Job], text: str, found: int) -> None:
    assert len(search(text)) == found


def test_it_knows_what_was_changed_and_deleted(jobs: list[Job]) -> None:
    jobs[0].display_name = "a walrus"
    jobs[0].save()
    jobs[3].delete()
    assert search("walrus") == ["job_0"] and len(search("otter")) == 8


def test_pages_of_a_search_show_every_row_once(jobs: list[Job]) -> None:
    asked = read(JOBS, pairs_of("q=otter"))
    rows, order, after, seen = narrowed(JOBS, Job.objects.all(), asked, None), order_of(JOBS, asked), "", []
    while True:
        page = slice_of(rows, order, after=after, size=4)
        seen += [row.pk for row in page.rows]
        if page.next is None:
            break
        after = page.next
    assert seen == [job.pk for job in reversed(jobs) if "otter" in job.words]


def test_an_index_whose_triggers_are_gone_is_made_whole_by_the_next_migration(jobs: list[Job], settings: Any) -> None:
    from django.db import connection

    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps its indexes itself")
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TRIGGER "{WORDS.name}_added"')
    WORDS.make()
    Job.objects.create(workspace=jobs[0].workspace, name="the walrus", yaml="x", command="x", image="x", compute_name="l", namespace="n")
    assert search("walrus") == ["the walrus"]
