"""How many queries each list takes, pinned in a file: more rows take no more, and who adds one says so there.

`UPDATE_QUERY_COUNTS=1` writes the file anew.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.models import Change, Cluster, Compute, InstanceType, Node
from endpoints.models import Endpoint
from jobs.models import Job
from studio.accounts.models import ApiToken, Invitation, Membership, User, Workspace
from studio.assets.models import ImageRule, Model, ModelVersion
from studio.assets.services import keep_tree
from studio.assets.trees import Tree
from studio.audit.services import record
from studio.notices.services import tell
from tests.conftest import People

pytestmark = pytest.mark.django_db
PINNED = Path(__file__).with_name("query_counts.json")
LISTS = (
    "/w/team/jobs/", "/w/team/models/", "/w/team/models/m0/", "/w/team/endpoints/", "/w/team/endpoints/e0/events/", "/ops/clusters/", "/ops/clusters/gpu-0/nodes/",
    "/ops/clusters/gpu-0/instance-types/", "/ops/clusters/gpu-0/computes/", "/ops/images/",
    "/accounts/tokens/", "/notifications/", "/w/team/members/",
    "/ops/access/users/", "/ops/access/invitations/", "/ops/access/workspaces/", "/ops/access/tokens/",
    "/ops/audit/", "/w/team/audit/", "/ops/clusters/gpu-0/audit/", "/ops/clusters/gpu-0/events/",
)  # fmt: skip


def make(people: People, numbers: range) -> None:
    """Make one of everything that is listed for each number."""
    team, person, now = people.workspace, people.admin, timezone.now()
    kept = keep_tree(team, Tree(()))
    for number in numbers:
        cluster = Cluster.objects.create(name=f"gpu-{number}", server=f"https://10.0.0.{number}:1", status="ready", seen_at=now)
        first = Cluster.objects.get(name="gpu-0")
        room = {"cpu": 8, "memory": 2**33, "pods": 110, "exact": {"cpu": "8", "memory": "8Gi", "pods": "110"}}
        seen = {"ready": True, "seen_at": now, "allocatable": room, "capacity": room, "requested": {"cpu": 1, "memory": 1}}
        Node.objects.create(cluster=first, name=f"n{number}", uid=f"{number}", **seen)
        size = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
        InstanceType.objects.create(cluster=first, group="mooring.dev", name=f"t{number}", spec={"resources": size})
        compute = Compute.objects.create(workspace=team, cluster=first, name=f"c{number}", namespace=f"ns-{number}", status="ready")
        given: dict[str, Any] = {"workspace": team, "compute": compute, "cluster": cluster, "compute_name": f"c{number}", "namespace": "n"}
        Job.objects.create(name=f"j{number}", submitted_by=person, yaml="x", command="x", image="x", tags={"a": "b"}, **given)
        Endpoint.objects.create(name=f"e{number}", status="ready", **given)
        Endpoint.objects.get(name="e0").changes.create(old="creating", status="ready", at=now)
        Model.objects.create(workspace=team, name=f"m{number}", created_by=person)
        ModelVersion.objects.create(model=Model.objects.get(name="m0"), version=f"{number}", snapshot=kept, base_name="m", created_by=person)
        Change.objects.create(cluster=first, old="connecting", status="ready", at=now)
        for target in (first, compute):
            record(person, "changed", target, workspace="team")
        ImageRule.objects.create(pattern=f"p{number}", image="x")
        member = User.objects.create_user(f"u{number}")
        space = Workspace.objects.create(name=f"w{number}")
        Membership.objects.create(user=member, workspace=team, role="reader")
        for holder in (member, person):
            ApiToken.issue(holder, name=f"t{number}", everywhere=False)[0].workspaces.add(team)
        invited = Invitation.objects.create(name=f"i{number}", prefix=f"{number}", expires_at=now + timedelta(days=1), created_by=person)
        invited.roles.create(workspace=space, role="reader")
        tell([person], "cluster-lost", title=f"n{number}", url="/", about=f"n{number}")


def measured(client: Any) -> dict[str, int]:
    found = {}
    for url in LISTS:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(url).status_code == 200, url
        found[url] = len(seen)
    return found


def test_each_list_takes_the_queries_that_are_pinned_however_many_rows_it_has(people: People, client_for: Any) -> None:
    client = client_for(people.admin)
    make(people, range(2))
    few = measured(client)
    make(people, range(2, 12))
    many = measured(client)
    if os.environ.get("UPDATE_QUERY_COUNTS"):
        PINNED.write_text(json.dumps(many, indent=2) + "\n", encoding="utf-8")
    pinned = json.loads(PINNED.read_text(encoding="utf-8"))
    assert many == pinned
    grown = {url for url in LISTS if many[url] > few[url]} - {"/ops/clusters/gpu-0/computes/", "/w/team/endpoints/"}
    assert grown == set()
