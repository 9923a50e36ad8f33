"""Home for each role, the side bar, and the switch of workspaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import Client

from compute.models import Cluster
from compute.troubles import troubles
from jobs.models import Job
from studio.accounts.models import Membership, Workspace


def side_bar(page: str) -> list[str]:
    return re.findall(r'<span class="nav-text">([^<]+)</span></a></li>', page)


def of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.get("Location")
    return answer.content.decode()


@pytest.mark.parametrize(
    ("who", "lands_at"),
    [("contributor", "/w/team/"), ("reader", "/w/team/"), ("operator", "/ops/"), ("admin", "/w/elsewhere/")],
)
def test_the_studios_address_brings_everyone_to_their_home(
    who: str, lands_at: str, studio_full: SimpleNamespace, client_for: Callable[..., Client]
) -> None:
    client = client_for(getattr(studio_full, who))
    assert client.get("/")["Location"] == lands_at


def test_it_brings_who_has_both_faces_to_the_one_used_last(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.admin)
    of(client, "/w/team/jobs/")
    assert client.get("/")["Location"] == "/w/team/"
    of(client, "/ops/clusters/")
    assert client.get("/")["Location"] == "/ops/"


def test_the_side_bar_shows_only_what_the_person_may_use(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    science = {"Home", "Jobs", "Models", "Endpoints", "Computes"}
    operations = {"Fleet", "Clusters", "Images"}
    assert science <= set(side_bar(of(client_for(studio_full.contributor), "/w/team/")))
    assert not operations & set(side_bar(of(client_for(studio_full.contributor), "/w/team/")))
    assert operations <= set(side_bar(of(client_for(studio_full.operator), "/ops/")))
    assert not science & set(side_bar(of(client_for(studio_full.operator), "/ops/")))
    assert science | operations <= set(side_bar(of(client_for(studio_full.admin), "/ops/")))


def test_the_switch_leads_to_the_same_kind_of_page(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    Membership.objects.create(user=studio_full.contributor, workspace=Workspace.objects.get(name="elsewhere"), role="reader")
    client = client_for(studio_full.contributor)
    assert 'href="/w/elsewhere/jobs/"' in of(client, "/w/team/jobs/calm_otter_2/")
    assert 'href="/w/elsewhere/"' in of(client, "/w/team/")


def test_a_data_scientists_home_shows_their_own_jobs_running_first(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    Job.objects.filter(name="calm_otter_3").update(submitted_by=studio_full.owner)
    page = of(client_for(studio_full.contributor), "/w/team/")
    names = re.findall(r'data-href="/w/team/jobs/(calm_otter_\d)/"', page)
    assert "calm_otter_3" not in names
    assert names == ["calm_otter_5", "calm_otter_1", "calm_otter_0", "calm_otter_6", "calm_otter_4", "calm_otter_2"]
    assert "Waiting: 1 GPU needed, 0 free on gpu-a" in page


def test_it_offers_the_compute_with_most_room_and_none_that_is_lost(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    page = of(client_for(studio_full.contributor), "/w/team/")
    assert "/w/team/jobs/-/new/?compute=gpu" in page
    assert "?compute=night" not in page
    assert page.index(">gpu</b>") < page.index(">night</b>")
    assert "Submit here" not in of(client_for(studio_full.reader), "/w/team/")


def test_an_operators_home_lists_what_is_wrong_the_worst_first(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    titles = [one.title for one in troubles()]
    assert titles == ["The cluster is lost", "The router's certificate ends soon", "A node is not ready"]
    page = of(client_for(studio_full.operator), "/ops/")
    assert [page.index(title.replace("'", "&#x27;")) for title in titles] == sorted(page.index(title.replace("'", "&#x27;")) for title in titles)
    assert "worker-2.gpu-a.example.org" in page


def test_of_very_many_clusters_those_that_ask_for_somebody_come_first_and_the_rest_is_a_link_away(
    studio_full: SimpleNamespace, client_for: Callable[..., Client]
) -> None:
    Cluster.objects.bulk_create(
        [Cluster(name=f"many-{n:02}", server="https://x", status="unreachable" if n >= 50 else "ready", reason="Away.") for n in range(60)]
    )
    client = client_for(studio_full.operator)
    page = client.get("/ops/")
    assert [row["cluster"].name for row in page.context["rows"]][1:12] == [*(f"many-{n}" for n in range(50, 60)), "on-premises"]
    assert len(page.context["rows"]) == 20 and "20 of 62" in page.content.decode()
    count = page.context["trouble_count"]
    assert len(page.context["troubles"]) == 8 < count and f'href="?wrong=all">Show all {count}' in page.content.decode()
    assert len(client.get("/ops/?wrong=all").context["troubles"]) == count


def test_an_operator_without_a_cluster_is_told_once_what_to_do(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    Cluster.objects.all().delete()
    client = client_for(studio_full.operator)
    assert "No cluster yet" not in of(client, "/ops/") and "First steps" in of(client, "/ops/")
    client.post("/guide/operators/", {"away": "yes"})
    assert "No cluster yet" in of(client, "/ops/")


def test_it_says_so_when_nothing_is_wrong(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    Cluster.objects.filter(name="on-premises").delete()
    Cluster.objects.update(status="ready", findings=[])
    Cluster.objects.get().nodes.update(ready=True)
    assert "Nothing is wrong" in of(client_for(studio_full.operator), "/ops/")


def test_the_fleet_is_the_same_over_the_api(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    answer = client_for(studio_full.operator).get("/api/v1/fleet").json()
    assert answer["clusters"] == {"degraded": 1, "unreachable": 1}
    # What cannot be reached has no room.
    assert answer["capacity"]["cpu"] == {"total": 32.0, "requested": 8.0}
    assert [one["cluster"] for one in answer["troubles"]] == ["on-premises", "gpu-a", "gpu-a"]


def test_home_asks_the_database_no_more_for_more_jobs(
    studio_full: SimpleNamespace, client_for: Callable[..., Client], django_assert_max_num_queries: Callable[[int], object]
) -> None:
    client = client_for(studio_full.contributor)
    of(client, "/w/team/")
    with django_assert_max_num_queries(40):  # type: ignore[attr-defined]
        of(client, "/w/team/")
    operator = client_for(studio_full.operator)
    of(operator, "/ops/")
    with django_assert_max_num_queries(20):  # type: ignore[attr-defined]
        of(operator, "/ops/")
