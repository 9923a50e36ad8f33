"""The inner process of `job_list`: fills the database in its data folder, asks the pages, prints one JSON object a size."""

from __future__ import annotations

import gzip
import json
import random
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import django
from django.conf import settings

from benchmarks.figures import milliseconds

WORDS = ("otter", "heron", "lynx", "finch", "badger", "crane", "pike", "robin", "stoat", "vole")
FIRST = ("calm", "brave", "quiet", "neat", "bold", "keen", "warm", "cool", "wise", "fair")
STATES = ("Completed",) * 7 + ("Failed", "Running", "Queued")
EXPERIMENTS, A_PIECE = 40, 5_000
LIST = "/w/bench/jobs/"
SEARCHES = ("otter", "train", "calm otter", "rare")


def main(rounds: int, sizes: list[int]) -> None:
    """Measure the pages at each size, filling up from one to the next."""
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    person, workspace = _people()
    print(json.dumps({"token": _token(person)}), flush=True)
    there = 0
    for size in sizes:
        began = time.monotonic()
        fill([person], workspace, there, size)
        there = size
        took = round(time.monotonic() - began, 1)
        print(f"{size:,} jobs are there after {took:.0f} s", flush=True)
        print(json.dumps({"jobs": size, "fill_seconds": took, "pages": _measure(person, size, rounds)}), flush=True)
        # Whoever reads this asks something at this size, too, and says when it is done.
        sys.stdin.readline()


def _people() -> tuple[Any, Any]:
    from studio.accounts.models import Membership, User, Workspace

    person = User.objects.create_user("bench")
    workspace = Workspace.objects.create(name="bench")
    Membership.objects.create(user=person, workspace=workspace, role="contributor")
    return person, workspace


def _token(person: Any) -> str:
    from studio.people.tokens import make_token

    return make_token(person, name="bench")[1]


def fill(people: Sequence[Any], workspace: Any, there: int, size: int) -> None:
    """Make jobs number `there` to `size`, some thousand rows at a time."""
    from django.db import connection, transaction
    from django.utils import timezone

    from jobs.models import Job, words_of

    now, chance = timezone.now(), random.Random(there)
    # One row object for all: to make a million of them takes longer than to write them.
    job = Job(workspace=workspace, yaml="command: train", command="train", image="python:3.11", namespace="bench", instance_type="small")
    fields = [each for each in Job._meta.local_concrete_fields if not each.primary_key]
    kept = {each.attname: each.get_db_prep_save(each.pre_save(job, add=True), connection) for each in fields}
    quoted = ", ".join(connection.ops.quote_name(each.column) for each in fields)
    insert = f"INSERT INTO {Job._meta.db_table} ({quoted}) VALUES ({', '.join(['%s'] * len(fields))})"  # noqa: S608 names of ours

    def row(number: int) -> list[Any]:
        values = values_of(number, size, now, chance, people)
        vars(job).update(values)
        values["words"] = words_of(job)
        return [each.get_db_prep_save(values[each.attname], connection) if each.attname in values else kept[each.attname] for each in fields]

    for start in range(there, size, A_PIECE):
        rows = [row(number) for number in range(start, min(start + A_PIECE, size))]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(insert, rows)
    with connection.cursor() as cursor:
        # As it would be after a while by itself.
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def values_of(number: int, size: int, now: datetime, chance: random.Random, people: Sequence[Any]) -> dict[str, Any]:
    """Return what differs from one job to the next."""
    began = now - timedelta(seconds=size - number)
    return {
        "name": f"{chance.choice(FIRST)}_{chance.choice(WORDS)}_{number:x}",
        "display_name": "Nightly training" if number % 4 == 0 else "rare bird" if number % 50_000 == 7 else "",
        "submitted_by_id": people[number % len(people)].pk,
        "experiment": f"exp-{number % EXPERIMENTS}",
        "status": chance.choice(STATES),
        "tags": {"stage": "dev"} if number % 3 == 0 else {},
        "compute_name": f"gpu-{number % 5}",
        "started_at": began,
        "ended_at": began + timedelta(seconds=90),
    }


def _measure(person: Any, size: int, rounds: int) -> dict[str, Any]:
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(person)
    queries = {"first": {}, "state": {"state": "Failed"}, "state_and_experiment": {"state": "Failed", "experiment": "exp-7"}}
    queries |= {f"search_{text.replace(' ', '_')}": {"q": text} for text in SEARCHES}
    queries |= {"sort_started": {"sort": "-started"}, "page_100": {"after": _key_of_page(client, 100)}}
    found = {}
    for name, query in queries.items():
        # Opened anew, with nothing of the database in this process.
        connection.close()
        cold, text = _ask(client, query)
        took = [_ask(client, query)[0] for _ in range(rounds)]
        found[name] = {
            "cold_ms": round(cold * 1000, 1),
            "p50_ms": milliseconds(took, 0.5),
            "p95_ms": milliseconds(took, 0.95),
            "kb": round(len(gzip.compress(text, 6)) / 1000, 1),
            "plain_kb": round(len(text) / 1000, 1),
        }
    return found


def _ask(client: Any, query: dict[str, str]) -> tuple[float, bytes]:
    began = time.perf_counter()
    answer = client.get(LIST, query)
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.status_code
    return took, answer.content


def _key_of_page(client: Any, page: int) -> str:
    """Return the key with which a page begins, or the last one there is."""
    after = ""
    for _ in range(page - 1):
        following = client.get("/api/v1/workspaces/bench/jobs", {"after": after, "limit": 50}).json()["next"]
        if following is None:
            break
        after = following
    return after


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(size) for size in sys.argv[2:]])
