"""The list of jobs is read from its indexes, on either database."""

import pytest
from django.db import connection

from jobs.models import Job
from studio.accounts.models import Workspace
from studio.tables.keyset import Order, _ordered

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("reverse", [False, True])
def test_jobs_by_start_come_from_an_index_and_are_not_sorted(reverse: bool) -> None:
    workspace = Workspace.objects.create(name="team")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Of an empty table it would read and sort all. Where it must sort, it does so all the same.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
    rows = Job.objects.filter(workspace=workspace, deleted_at=None)
    plan = _ordered(rows, Order("started_at"), True, reverse=reverse)[:51].explain()
    assert "jobs_by_start" in plan and "Sort" not in plan and "TEMP B-TREE" not in plan, plan
