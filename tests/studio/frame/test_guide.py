"""First steps tick themselves from what there is, and are put away and brought back."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace

from django.test import Client

from compute.models import Cluster, Compute, InstanceType
from endpoints.models import Endpoint
from jobs.examples import EXAMPLES
from jobs.models import Job
from studio.accounts.models import Workspace
from studio.frame import guide
from tests.conftest import People


def ticks(found: dict[str, object] | None) -> list[bool]:
    assert found is not None
    return [step.done for step in found["steps"]]  # type: ignore[attr-defined]


def test_an_operators_steps_follow_what_there_is(people: People) -> None:
    Workspace.objects.exclude(name="team").delete()
    assert ticks(guide.operators(people.operator)) == [False, False, True, False]
    cluster = Cluster.objects.create(name="gpu-a", server="https://x", status="connecting")
    assert ticks(guide.operators(people.operator))[0] is False  # it has not answered yet
    Cluster.objects.update(status="ready", seen_at="2024-01-01T00:00Z")
    InstanceType.objects.create(cluster=cluster, group="mooring.dev", name="small")
    assert ticks(guide.operators(people.operator)) == [True, True, True, False]
    Compute.objects.create(workspace=people.workspace, cluster=cluster, name="gpu", namespace="x", status="ready")
    assert guide.operators(people.operator) is None
    Compute.objects.all().delete()
    assert ticks(guide.operators(people.operator)) == [True, True, True, False]


def test_a_data_scientists_steps_are_their_own(studio_full: SimpleNamespace) -> None:
    team = studio_full.workspace
    assert guide.science(studio_full.contributor, team, acts=True) is None
    assert ticks(guide.science(studio_full.owner, team, acts=True)) == [True, False, False, True, True]
    assert guide.science(studio_full.reader, team, acts=False) is None
    Endpoint.objects.all().delete()
    Job.objects.filter(status="Completed").delete()
    assert ticks(guide.science(studio_full.contributor, team, acts=True)) == [True, True, False, True, False]


def test_it_is_put_away_and_brought_back(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.owner)
    assert "Hello from a pod" in client.get("/w/team/").content.decode()
    client.post("/guide/science/")
    assert "Hello from a pod" not in client.get("/w/team/").content.decode()
    assert "Show first steps again" in client.get("/w/team/").content.decode()
    client.post("/guide/science/", {"back": "yes"})
    assert "Hello from a pod" in client.get("/w/team/").content.decode()
    assert client.post("/guide/secret/").status_code == 404


def test_an_example_fills_in_the_form(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.owner)
    for one in EXAMPLES.values():
        page = client.get("/w/team/jobs/-/new/", {"example": one.name}).content.decode()
        command = re.search(r'<textarea[^>]*name="command"[^>]*>\s*(\S+)', page)
        assert command and one.command.startswith(command[1]), one.name
        assert f'value="{one.title}"' in page
    assert client.get("/w/team/jobs/-/new/", {"example": "no"}).status_code == 200


def test_the_examples_run_as_they_are(tmp_path: object) -> None:
    import subprocess

    for one in EXAMPLES.values():
        command = one.command.replace("2_000_001", "2_001").replace("200_000", "1_000")
        ran = subprocess.run(["bash", "-euc", command], cwd=str(tmp_path), capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout
