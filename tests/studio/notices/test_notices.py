"""People are told of what happened to what is theirs: once, in the same transaction, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from compute.models import Cluster
from compute.network import looking
from endpoints.models import Deployment, Revision
from jobs.models import Job
from mooring.cli.app import app
from studio.accounts.models import Membership, User
from studio.core.errors import ProblemError
from studio.core.states import move
from studio.live.topics import allowed
from studio.notices import services
from studio.notices.models import Notice
from studio.notices.selectors import notices_of, unread_count


@pytest.fixture
def full(studio_full: SimpleNamespace) -> SimpleNamespace:
    """Take the furnished studio, with nobody told of anything yet."""
    Notice.objects.all().delete()
    return studio_full


def told(user: User) -> list[tuple[str, str]]:
    return [(one.kind, one.title) for one in notices_of(user)]


def test_who_submitted_a_job_is_told_how_it_ended(full: SimpleNamespace) -> None:
    move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Running")
    move(Job.objects.get(name="calm_otter_1"), "Failed", expect="Queued", reason="No image")
    assert told(full.contributor) == [("job-failed", "calm_otter_1 failed"), ("job-completed", "Train the classifier completed")]
    notice = notices_of(full.contributor)[0]
    assert (notice.text, notice.url, notice.workspace) == ("No image", "/w/team/jobs/calm_otter_1/", "team")
    assert told(full.owner) == told(full.reader) == []


def test_who_cancels_a_job_is_not_told_so(full: SimpleNamespace) -> None:
    move(Job.objects.get(name="calm_otter_5"), "Canceled", expect="CancelRequested")
    assert told(full.contributor) == []


def test_a_state_that_is_undone_has_told_nobody(full: SimpleNamespace) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Running")
        raise RuntimeError
    assert told(full.contributor) == []
    assert not move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Queued")
    assert told(full.contributor) == []


def test_a_deployment_that_failed_or_went_back_by_itself_is_told(full: SimpleNamespace) -> None:
    blue = Deployment.objects.get(name="blue")
    Revision.objects.filter(deployment=blue).update(created_by=full.owner)
    move(blue, "rolling-back", expect="ready", reason="Revision 2 failed", problem_id="deployment-not-ready-in-time")
    assert told(full.owner) == [("deployment-rolled-back", "flowers/blue went back by itself")]
    assert told(full.contributor) == told(full.owner)
    move(blue, "failed", expect="rolling-back", reason="No image")
    assert told(full.owner)[0] == ("deployment-failed", "flowers/blue failed")


def test_a_way_back_that_somebody_asked_for_is_not(full: SimpleNamespace) -> None:
    move(Deployment.objects.get(name="blue"), "rolling-back", expect="ready", reason="Asked for", problem_id="")
    assert told(full.contributor) == []


def test_operators_are_told_of_lost_clusters_and_of_their_return(full: SimpleNamespace) -> None:
    cluster = Cluster.objects.get(name="gpu-a")
    move(cluster, "unreachable", expect="degraded", reason="No answer")
    move(cluster, "ready", expect="unreachable")
    assert told(full.operator) == [("cluster-back", "The cluster gpu-a is back"), ("cluster-lost", "The cluster gpu-a was lost")]
    assert told(full.admin) == told(full.operator)
    assert told(full.contributor) == []


def test_a_cluster_that_was_never_reached_was_not_lost(full: SimpleNamespace) -> None:
    cluster = Cluster.objects.create(name="new", server="https://x", status="connecting")
    move(cluster, "unreachable", expect="connecting")
    assert told(full.operator) == []


def test_each_certificate_is_told_of_once_at_each_warning(full: SimpleNamespace) -> None:
    looking.sweep()
    looking.sweep()
    assert [kind for kind, _ in told(full.operator)] == ["certificate-ends"]
    Cluster.objects.get(name="gpu-a").certificate.__class__.objects.update(ends_at=timezone.now() - timedelta(hours=1))
    looking.sweep()
    assert len(told(full.operator)) == 2


def test_what_somebody_may_no_longer_see_is_not_told_any_more(full: SimpleNamespace) -> None:
    move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Running")
    assert unread_count(full.contributor) == 1
    Membership.objects.filter(user=full.contributor).delete()
    assert told(full.contributor) == []
    with pytest.raises(ProblemError):
        services.open_notice(full.contributor, Notice.objects.get().pk)


def test_somebody_who_was_made_inactive_is_told_nothing(full: SimpleNamespace) -> None:
    User.objects.filter(pk=full.contributor.pk).update(is_active=False)
    move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Running")
    assert not Notice.objects.exists()


def test_what_people_keep_is_bounded(full: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "KEPT", 5)
    for number in range(8):
        services.tell([full.contributor], "job-completed", title=str(number), url="/", about=f"x:{number}")
    assert [title for _, title in told(full.contributor)] == ["7", "6", "5", "4", "3"]
    Notice.objects.update(at=timezone.now() - timedelta(days=91))
    services.tell([full.contributor], "job-completed", title="new", url="/", about="x:new")
    assert [title for _, title in told(full.contributor)] == ["new"]


def test_a_person_chooses_what_they_are_told_of(full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(full.contributor)
    assert "cluster-lost" not in client.get("/notifications/settings/").content.decode()
    client.post("/notifications/settings/", {"job-failed.page": "on"})
    move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Running")
    move(Job.objects.get(name="calm_otter_1"), "Failed", expect="Queued")
    assert [kind for kind, _ in told(full.contributor)] == ["job-failed"]


def test_only_the_person_watches_their_notices(full: SimpleNamespace) -> None:
    mine, other = f"notices:{full.contributor.pk}", f"notices:{full.owner.pk}"
    assert [topic.name for topic in allowed(full.contributor, [mine, other, "notices:", "notices"])] == [mine]


def test_opening_a_notice_reads_it_and_leads_there(full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Running")
    client = client_for(full.contributor)
    assert ">1</span>" in client.get("/w/team/").content.decode()
    notice = Notice.objects.get()
    assert client.get(f"/notifications/{notice.pk}/")["Location"] == "/w/team/jobs/calm_otter_0/"
    assert unread_count(full.contributor) == 0
    assert client_for(full.owner).get(f"/notifications/{notice.pk}/").status_code == 404


def test_all_are_read_at_once_and_one_is_unread_again(full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    for number in range(3):
        services.tell([full.contributor, full.owner], "job-completed", title="x", url="/", about=f"x:{number}")
    client = client_for(full.contributor)
    client.post("/notifications/read/", {"all": "yes"})
    assert (unread_count(full.contributor), unread_count(full.owner)) == (0, 3)
    client.post("/notifications/read/", {"id": notices_of(full.contributor)[0].pk, "as": "unread"})
    client.post("/notifications/read/", {"id": notices_of(full.owner)[0].pk})
    assert (unread_count(full.contributor), unread_count(full.owner)) == (1, 3)


def test_the_list_is_narrowed_by_kind_and_what_is_unread_and_several_are_marked(full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    for number, kind in enumerate(("job-completed", "job-failed", "job-failed")):
        services.tell([full.contributor], kind, title=f"run {number}", url="/", about=f"x:{number}", workspace="team")
    client = client_for(full.contributor)
    page = client.get("/notifications/").content.decode()
    assert 'A job of yours failed</span><span class="count">2</span>' in page and "A cluster was lost" not in page
    ids = [one["id"] for one in client.get("/api/v1/notifications", {"kind": "job-failed"}).json()["items"]]
    assert client.post("/notifications/read/", {"chosen": ids, "action": "read"}).status_code == 302
    assert [one["title"] for one in client.get("/api/v1/notifications", {"show": "unread"}).json()["items"]] == ["run 0"]
    client.post("/notifications/read/", {"chosen": ids[:1], "action": "unread"})
    assert unread_count(full.contributor) == 2
    assert [one["title"] for one in client.get("/api/v1/notifications", {"q": "RUN 1"}).json()["items"]] == ["run 1"]


def test_an_address_that_leads_out_of_the_studio_is_not_followed(full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    services.tell([full.contributor], "job-completed", title="x", url="https://evil.example/", about="x")
    assert client_for(full.contributor).get(f"/notifications/{Notice.objects.get().pk}/")["Location"] == "/notifications/"


def test_the_api_says_the_same(full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    move(Job.objects.get(name="calm_otter_0"), "Completed", expect="Running")
    client = client_for(full.contributor)
    answer = client.get("/api/v1/notifications", {"unread": "true"}).json()
    assert (answer["unread"], answer["items"][0]["kind"], answer["items"][0]["tone"]) == (1, "job-completed", "good")

    def send(method: str, path: str, body: Any) -> Any:
        return client.generic(method, f"/api/v1/notifications/{path}", _json(body), content_type="application/json")

    assert send("POST", "read", {"ids": [answer["items"][0]["id"]]}).json() == {"changed": 1}
    assert send("PATCH", "preferences", {"job-failed": {"browser": False}}).status_code == 200
    kept = {one["kind"]: one for one in client.get("/api/v1/notifications/preferences").json()["items"]}
    assert (kept["job-failed"]["page"], kept["job-failed"]["browser"]) == (True, False)
    assert send("PATCH", "preferences", {"weather": {"page": True}}).status_code == 422


def test_the_commands_speak_to_the_api(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.mooring.stand_in import TOKEN, serving

    with serving() as held:
        monkeypatch.setenv("MOORING_URL", held.url)
        monkeypatch.setenv("MOORING_TOKEN", TOKEN)
        held.answers += [("GET /api/v1/notifications", 200, {"items": [{"id": 7, "title": "x"}], "next": None}),
                         ("POST /api/v1/notifications/read", 200, {"changed": 2})]  # fmt: skip
        app(["notification", "list", "-o", "name"], standalone_mode=False)
        assert capsys.readouterr().out == "7\n"
        app(["notification", "read", "--all"], standalone_mode=False)
        assert _read(held.asked[-1][2]) == {"ids": None, "read": True}


def _json(body: Any) -> str:
    import json

    return json.dumps(body)


def _read(body: bytes) -> Any:
    import json

    return json.loads(body)
