"""Checks of the way out: one pod, what it said, and nothing left, whoever died in between."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from compute import services
from compute.kube import kinds
from compute.manifests import probe_name
from compute.models import Cluster, StudioIdentity
from compute.network import egress, looking
from compute.network.models import EgressCheck
from compute.network.services import check_egress, set_way_out
from studio.accounts.models import User
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db
PLACE = "mooring-system"


@pytest.fixture
def client(cluster: Cluster, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings.RUNNER_IMAGE = "runner:1"
    monkeypatch.setattr(egress, "POD_SECONDS", 3.0)
    client = services.clusters.kube_client(cluster)
    client.apply(kinds.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    return client


@pytest.fixture
def played(client: Any) -> Iterator[list[dict[str, Any]]]:
    """End every probe pod with an answer for each of its addresses; give the pods that were seen."""
    over, seen = threading.Event(), []

    def play() -> None:
        while not over.wait(0.05):
            for pod in client.list(kinds.POD, PLACE):
                if pod["metadata"]["uid"] in [each["metadata"]["uid"] for each in seen]:
                    continue
                secrets = {each["metadata"]["name"]: each.get("data", {}) for each in client.list(kinds.SECRET, PLACE)}
                seen.append(pod | {"secret": secrets.get(pod["metadata"]["name"], {})})
                count = pod["spec"]["containers"][0]["args"].count("--address")
                one = {"via": "proxy:3128", "status": 200, "ms": 5.0, "kind": "answered", "error": None}
                ended = {"terminated": {"exitCode": 0, "message": json.dumps({"answers": [one] * count})}}
                status = {"phase": "Succeeded", "containerStatuses": [{"name": "probe", "state": ended}]}
                client.patch(kinds.POD, pod["metadata"]["name"], {"status": status}, PLACE, subresource="status")

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    yield seen
    over.set()
    thread.join(5)


def left(client: Any) -> list[str]:
    return [each["metadata"]["name"] for kind in (kinds.POD, kinds.SECRET) for each in client.list(kind, PLACE)]


def test_a_pod_asks_with_the_clusters_proxy_and_leaves_nothing(
    operator: User, cluster: Cluster, client: Any, played: list[dict[str, Any]]
) -> None:
    set_way_out(operator, cluster, http_proxy="http://u:s3cr3t@proxy:3128")
    row = check_egress(operator, cluster, addresses=["http://a.example", "b.example"])
    egress.try_egress(row.pk)
    row.refresh_from_db()
    assert (row.status, row.cleaned) == ("done", True)
    assert [each["url"] for each in row.results] == ["http://a.example", "https://b.example"]
    (pod,) = played
    assert "s3cr3t" not in json.dumps(pod["spec"])
    assert base64.b64decode(pod["secret"]["network.http_proxy"]).decode() == "http://u:s3cr3t@proxy:3128"
    assert left(client) == []
    # Told twice, it is done once.
    egress.try_egress(row.pk)
    assert len(played) == 1


def test_a_check_that_a_killed_worker_left_is_taken_up_again(
    operator: User, cluster: Cluster, client: Any, played: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(looking, "nudge", lambda task, id: sent.append((task, id)))
    row = check_egress(operator, cluster, addresses=["a.example"])
    EgressCheck.objects.filter(pk=row.pk).update(status="running", taken_until=timezone.now() + timedelta(seconds=60))
    egress.try_egress(row.pk)
    looking.sweep()
    assert played == [] and sent == []
    EgressCheck.objects.filter(pk=row.pk).update(taken_until=timezone.now() - timedelta(seconds=1))
    looking.sweep()
    assert sent == [("compute.try_egress", row.pk)]
    egress.try_egress(row.pk)
    row.refresh_from_db()
    assert (row.status, row.cleaned) == ("done", True) and left(client) == []


def test_what_is_done_and_not_cleaned_is_cleaned(operator: User, cluster: Cluster, client: Any) -> None:
    row = check_egress(operator, cluster, addresses=["a.example"])
    EgressCheck.objects.filter(pk=row.pk).update(status="done")
    pod = {
        "metadata": {"name": probe_name("egress", row.pk, StudioIdentity.get()), "namespace": PLACE},
        "spec": {"containers": [{"name": "x", "image": "x"}]},
    }
    client.create(kinds.POD, {"apiVersion": "v1", "kind": "Pod", **pod}, PLACE)
    egress.try_egress(row.pk)
    assert left(client) == [] and EgressCheck.objects.get().cleaned


def test_a_pod_that_never_ends_fails_the_check(operator: User, cluster: Cluster, client: Any) -> None:
    row = check_egress(operator, cluster, addresses=["a.example"])
    egress.try_egress(row.pk)
    row.refresh_from_db()
    assert (row.status, row.problem_id) == ("failed", "egress-check-failed") and left(client) == []


def test_an_image_that_cannot_be_pulled_fails_it_at_once_with_the_clusters_words(operator: User, cluster: Cluster, client: Any) -> None:
    def waits() -> None:
        for _ in range(50):
            for pod in client.list(kinds.POD, PLACE):
                waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
                status = {"phase": "Pending", "containerStatuses": [{"name": "probe", "state": waiting}]}
                client.patch(kinds.POD, pod["metadata"]["name"], {"status": status}, PLACE, subresource="status")
                return
            time.sleep(0.05)

    thread = threading.Thread(target=waits)
    thread.start()
    row = check_egress(operator, cluster, addresses=["a.example"])
    egress.try_egress(row.pk)
    thread.join()
    row.refresh_from_db()
    assert row.status == "failed" and "no such image" in row.reason


def test_a_cluster_that_does_not_answer_fails_it_and_is_cleaned_later(
    operator: User, cluster: Cluster, client: Any, fakekube: FakeKube
) -> None:
    row = check_egress(operator, cluster, addresses=["a.example"])
    fakekube.fail(503)
    egress.try_egress(row.pk)
    row.refresh_from_db()
    assert (row.status, row.cleaned) == ("failed", False)
    fakekube.heal()
    EgressCheck.objects.update(taken_until=timezone.now() - timedelta(seconds=1))
    egress.try_egress(row.pk)
    assert EgressCheck.objects.get().cleaned


def test_without_a_runners_image_the_check_says_so(operator: User, cluster: Cluster, client: Any, settings: Any) -> None:
    settings.RUNNER_IMAGE = ""
    row = check_egress(operator, cluster, addresses=["a.example"])
    egress.try_egress(row.pk)
    row.refresh_from_db()
    assert (row.status, row.problem_id) == ("failed", "runner-image-unknown")


def test_only_the_last_checks_are_kept(operator: User, cluster: Cluster, client: Any) -> None:
    EgressCheck.objects.bulk_create([EgressCheck(cluster=cluster, status="done", cleaned=True) for _ in range(25)])
    egress.prune(cluster.pk)
    assert EgressCheck.objects.count() == 20
