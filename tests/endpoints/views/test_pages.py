"""The pages of endpoints: what they show, to whom, and at what price."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from compute.extension.models import Extension
from compute.network.models import PodNetworkSettings
from endpoints.figures.models import Sample
from endpoints.figures.series import minute_of
from endpoints.models import Change, Deployment, Endpoint, Revision
from endpoints.surroundings import settings_now
from studio.audit.models import Entry
from tests.conftest import People
from tests.endpoints.conftest import ADDRESS

Make = Callable[..., Any]
TABS = ["detail", "test", "consume", "monitoring", "logs", "revisions", "events"]


@pytest.fixture
def endpoint(make_endpoint: Make, make_deployment: Make) -> Endpoint:
    """Make an endpoint with two deployments, figures and a history."""
    made: Endpoint = make_endpoint(traffic={"blue": 80, "green": 20}, generation=2, applied_generation=2)
    blue, green = make_deployment(made, "blue", count=2, ready=2), make_deployment(made, "green")
    at = minute_of(timezone.now()) - timedelta(minutes=1)
    for row, share in ((blue, 80), (green, 20)):
        Sample.objects.create(endpoint=made, deployment=row.name, span=60, at=at, seconds=60, requests=share, ready=1,
                              codes={"200": share - 1, "503": 1}, times={"50": share})  # fmt: skip
        Sample.objects.create(endpoint=made, deployment=row.name, span=10, at=at, seconds=10, requests=share, ready=1,
                              codes={"200": share}, times={"50": share})  # fmt: skip
    Change.objects.create(endpoint=made, deployment="blue", old="creating", status="ready", at=timezone.now(), reason="All replicas serve")
    return made


def page(client: Any, view: str, endpoint: Endpoint, **query: Any) -> Any:
    return client.get(reverse(f"endpoints:{view}", args=["team", endpoint.name]), query)


def text_of(client: Any, view: str, endpoint: Endpoint, **query: Any) -> str:
    answer = page(client, view, endpoint, **query)
    assert answer.status_code == 200, answer.content[:500]
    return str(answer.content.decode())


def test_the_list_says_where_each_answers_and_how_it_does(people: People, client_for: Any, endpoint: Endpoint) -> None:
    text = client_for(people.reader).get(reverse("endpoints:list", args=["team"])).content.decode()
    assert f"{ADDRESS}/api/v1/endpoint/flowers/score" in text
    assert "blue 80 %, green 20 %" in text and "Ready" in text
    assert ">1.7<" in text.replace("\n", "") and "2 errors" in text
    assert 'placeholder="Endpoint or deployment"' in text  # it can be searched from the page


@pytest.mark.parametrize(
    ("query", "found"),
    [({"q": "flow"}, 1), ({"q": "green"}, 1), ({"q": "nothing"}, 0), ({"state": "ready"}, 1), ({"state": "failed"}, 0),
     ({"compute": "local"}, 1), ({"compute": "other"}, 0), ({"state": "nonsense"}, 1)],
)  # fmt: skip
def test_a_filter_shows_what_it_names(people: People, client_for: Any, endpoint: Endpoint, query: dict[str, str], found: int) -> None:
    answer = client_for(people.reader).get(reverse("endpoints:list", args=["team"]), query)
    assert len(answer.context["list"].lines) == found
    assert (b"No endpoint matches" in answer.content) == (not found)


def test_the_number_of_queries_does_not_grow_with_the_rows(
    people: People, client_for: Any, make_endpoint: Make, make_deployment: Make, django_assert_max_num_queries: Any
) -> None:
    client = client_for(people.contributor)
    for number in range(30):
        make_deployment(make_endpoint(f"endpoint-{number}", traffic={"blue": 100}))
    with django_assert_max_num_queries(25):
        assert client.get(reverse("endpoints:list", args=["team"])).content.count(b'id="endpoint-') == 30


def test_htmx_gets_the_table_alone(people: People, client_for: Any, endpoint: Endpoint) -> None:
    answer = client_for(people.reader).get(reverse("endpoints:list", args=["team"]), headers={"HX-Request": "true"})
    assert b'id="list"' in answer.content and b"<html" not in answer.content


def test_an_empty_list_says_what_to_do_first(people: People, client_for: Any) -> None:
    url = reverse("endpoints:list", args=["team"])
    assert b"No compute yet" in client_for(people.contributor).get(url).content


def test_an_empty_list_without_a_router_says_whom_to_ask(people: People, client_for: Any, compute: Any) -> None:
    url = reverse("endpoints:list", args=["team"])
    assert b"No endpoint yet" in client_for(people.contributor).get(url).content
    Extension.objects.update(settings={"enableInference": False})
    text = client_for(people.contributor).get(url).content.decode()
    assert "without inference" in text and "Ask IT operations" in text and "Create an endpoint" not in text


def test_an_operator_is_not_told_to_ask_an_operator(people: People, client_for: Any, request: pytest.FixtureRequest) -> None:
    type(people.contributor).objects.filter(pk=people.contributor.pk).update(is_operator=True)
    client = client_for(people.contributor)
    pages = [reverse("endpoints:list", args=["team"]), reverse("endpoints:new", args=["team"]), reverse("jobs:new", args=["team"])]
    for page in pages:
        text = client.get(page).content.decode()
        assert (
            "No compute yet" in text and reverse("compute:cluster-list") in text.split("<main")[1] and "Ask " not in text.split("<main")[1]
        )
    request.getfixturevalue("compute")
    Extension.objects.update(settings={"enableInference": False})
    text = client.get(pages[0]).content.decode()
    assert "Open the extension" in text and "Ask " not in text.split("<main")[1]


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens_for_a_reader_and_for_nobody_else(people: People, client_for: Any, endpoint: Endpoint, tab: str) -> None:
    text = text_of(client_for(people.reader), tab, endpoint)
    assert "flowers" in text and endpoint.primary_key not in text and endpoint.secondary_key not in text
    assert page(client_for(people.stranger), tab, endpoint).status_code == 404


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens_while_there_is_no_deployment(people: People, client_for: Any, make_endpoint: Make, tab: str) -> None:
    text_of(client_for(people.contributor), tab, make_endpoint(status="creating", reason="Waiting for the router"))


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens_once_the_cluster_is_gone(people: People, client_for: Any, endpoint: Endpoint, tab: str) -> None:
    Endpoint.objects.update(compute=None, cluster=None)
    assert "detached" in text_of(client_for(people.reader), tab, endpoint)


def test_a_reader_is_offered_no_action(people: People, client_for: Any, endpoint: Endpoint) -> None:
    client = client_for(people.reader)
    text = text_of(client, "detail", endpoint)
    assert "Add deployment" not in text and "/traffic/" not in text and "/scale/" not in text and "/delete/" not in text
    assert "Show the keys" not in text_of(client, "consume", endpoint)
    assert "Send</button>" not in text_of(client, "test", endpoint)
    assert "Roll back to this" not in text_of(client, "revisions", endpoint)


def test_details_show_shares_replicas_and_figures(people: People, client_for: Any, endpoint: Endpoint) -> None:
    text = text_of(client_for(people.contributor), "detail", endpoint)
    assert 'name="percent_blue" value="80"' in text and "2 of 2 ready" in text and "flowers:1" in text
    assert f"{ADDRESS}/api/v1/endpoint/flowers/score" in text and "p95" in text


@pytest.mark.parametrize("part", ["head", "traffic", "cards"])
def test_a_part_comes_without_the_page(people: People, client_for: Any, endpoint: Endpoint, part: str) -> None:
    answer = page(client_for(people.reader), "detail", endpoint, part=part)
    assert b"<html" not in answer.content and f'id="endpoint-{part}"'.encode() in answer.content


def test_moving_traffic_goes_through_the_service(people: People, client_for: Any, endpoint: Endpoint) -> None:
    client = client_for(people.contributor)
    url = reverse("endpoints:traffic", args=["team", "flowers"])
    assert client.post(url, {"percent_blue": "50", "percent_green": "50"}).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.traffic == {"blue": 50, "green": 50} and endpoint.generation == 3
    assert Entry.objects.filter(verb__contains="traffic").count() == 1


@pytest.mark.parametrize(("blue", "green", "said"), [("50", "40", "make 90"), ("x", "0", "whole number"), ("101", "0", "whole number")])
def test_shares_that_do_not_fit_come_back_as_typed(
    people: People, client_for: Any, endpoint: Endpoint, blue: str, green: str, said: str
) -> None:
    url = reverse("endpoints:traffic", args=["team", "flowers"])
    answer = client_for(people.contributor).post(url, {"percent_blue": blue, "percent_green": green})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert said in text and f'name="percent_blue" value="{blue}"' in text
    endpoint.refresh_from_db()
    assert endpoint.traffic == {"blue": 80, "green": 20}


def test_scaling_rolling_back_and_deleting_go_through_the_services(people: People, client_for: Any, endpoint: Endpoint) -> None:
    client = client_for(people.contributor)
    blue = Deployment.objects.get(name="blue")
    Revision.objects.create(deployment=blue, number=2, spec={**blue.wanted.spec, "image": "newer"}, status="good", ready_at=timezone.now())
    client.post(reverse("endpoints:scale", args=["team", "flowers", "blue"]), {"instance_count": "3"})
    client.post(reverse("endpoints:roll-back", args=["team", "flowers", "blue"]), {"revision": "2"})
    blue.refresh_from_db()
    assert blue.instance_count == 3 and blue.wanted.number == 2 and blue.status == "rolling-back"
    answer = client.post(reverse("endpoints:delete-deployment", args=["team", "flowers", "blue"]), follow=True)
    assert "traffic" in answer.content.decode() and Deployment.objects.get(name="blue").status == "rolling-back"
    client.post(reverse("endpoints:delete", args=["team", "flowers"]))
    endpoint.refresh_from_db()
    assert endpoint.status == "deleting"


def test_retries_are_turned_off_without_touching_what_runs(people: People, client_for: Any, endpoint: Endpoint) -> None:
    blue = Deployment.objects.get(name="blue")
    Deployment.objects.filter(pk=blue.pk).update(yaml="name: blue\ninstance_count: 1\n", overrides=["rollout.retry=true"])
    generation = endpoint.generation
    client = client_for(people.contributor)
    client.post(reverse("endpoints:scale", args=["team", "flowers", "blue"]), {"instance_count": "3"})
    scaled = Deployment.objects.get(pk=blue.pk)
    client.post(reverse("endpoints:set-retry", args=["team", "flowers", "blue"]) + "?to=off")
    now = Deployment.objects.get(pk=blue.pk)
    assert (now.retry, now.instance_count, now.wanted_id, now.generation) == (False, 3, blue.wanted_id, scaled.generation)
    # Who changes a single field later means it as it is, with three instances and without retries.
    assert now.overrides == ["instance_count=3", "rollout.retry=false"]
    endpoint.refresh_from_db()
    assert endpoint.generation == generation + 1
    assert Entry.objects.filter(verb="changed", diff={"retry": [True, False]}).exists()


def test_a_card_says_that_the_clusters_settings_changed_and_rolls_them_out(people: People, client_for: Any, endpoint: Endpoint) -> None:
    assert endpoint.compute is not None
    url = reverse("endpoints:detail", args=["team", "flowers"])
    made_with = {"revision": 1, "rollouts": 0, "settings": settings_now(endpoint.compute)}
    Deployment.objects.filter(name="blue").update(applied=made_with)
    said = "The cluster's settings changed since these pods were made: proxy"
    assert said not in client_for(people.reader).get(url).content.decode()
    PodNetworkSettings.objects.create(cluster=endpoint.compute.cluster, http_proxy="http://proxy:3128")
    reader = client_for(people.reader).get(url).content.decode()
    assert said in reader and "/roll-out/" not in reader
    client = client_for(people.contributor)
    assert said in client.get(url).content.decode()
    client.post(reverse("endpoints:roll-out", args=["team", "flowers", "blue"]))
    blue = Deployment.objects.get(name="blue")
    assert (blue.status, blue.rollouts, blue.wanted.number) == ("updating", 1, 1)  # type: ignore[union-attr]
    assert "proxy" in blue.reason and Entry.objects.filter(verb="rolled out again").count() == 1


def test_keys_come_when_asked_for_and_it_is_written_down(people: People, client_for: Any, endpoint: Endpoint) -> None:
    client = client_for(people.contributor)
    url = reverse("endpoints:keys", args=["team", "flowers"])
    assert client.get(url).status_code == 405
    text = client.post(url, headers={"HX-Request": "true"}).content.decode()
    assert endpoint.primary_key in text and endpoint.secondary_key in text and "<html" not in text
    assert Entry.objects.filter(verb__contains="revealed").count() == 1
    assert client_for(people.reader).post(url).status_code == 403
    client.post(reverse("endpoints:regenerate", args=["team", "flowers"]), {"which": "primary"})
    before = endpoint.primary_key
    endpoint.refresh_from_db()
    assert endpoint.primary_key != before


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_code_has_the_address_in_and_no_key(people: People, client_for: Any, endpoint: Endpoint, language: str) -> None:
    text = text_of(client_for(people.reader), "consume", endpoint, language=language)
    assert f"{ADDRESS}/api/v1/endpoint/flowers/score" in text and endpoint.primary_key not in text


def test_the_python_sample_is_python(people: People, client_for: Any, endpoint: Endpoint) -> None:
    answer = page(client_for(people.reader), "consume", endpoint, language="python")
    compile(answer.context["sample"], "sample", "exec")


@pytest.mark.parametrize("key", ["15m", "1h", "6h", "24h", "14d", "nonsense"])
def test_monitoring_shows_every_range(people: People, client_for: Any, endpoint: Endpoint, key: str) -> None:
    client = client_for(people.reader)
    assert "data-figures" in text_of(client, "monitoring", endpoint, range=key) or key == "14d"
    found = page(client, "figures", endpoint, range=key).json()
    assert len(found["at"]) == len(found["all"]["rate"]) and set(found["deployments"]) <= {"blue", "green"}


def test_what_a_rollout_left_is_shown_with_its_revision(people: People, client_for: Any, endpoint: Endpoint) -> None:
    blue = Deployment.objects.get(name="blue")
    evidence = {"pods": [{"name": "md-1-x", "phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
                          "events": [{"reason": "BackOff", "message": "restarting", "count": 4}],
                          "log": {"container": "inference-server", "text": "ImportError: no module"}}]}  # fmt: skip
    spec = {**blue.wanted.spec, "scoring_script": "other.py"}
    Revision.objects.create(deployment=blue, number=2, spec=spec, status="failed", failed_at=timezone.now(), evidence=evidence,
                            problem_id="deployment-crashed", problem_params={"code": 1, "text": "boom"})  # fmt: skip
    client = client_for(people.contributor)
    text = text_of(client, "revisions", endpoint, deployment="blue")
    assert "ImportError: no module" in text and "BackOff × 4" in text and "scoring script" in text and "exit code 1" in text
    text = text_of(client, "revisions", endpoint, deployment="blue", **{"from": "1", "to": "2"})
    assert "-scoring_script: score.py" in text and "+scoring_script: other.py" in text


def test_words_of_people_are_escaped(people: People, client_for: Any, endpoint: Endpoint) -> None:
    Endpoint.objects.update(description="<script>alert(1)</script>", tags={"<b>": '"x'}, reason="<u>")
    assert "<script>alert" not in text_of(client_for(people.contributor), "detail", endpoint)


def test_plain_http_is_marked_wherever_its_address_shows(people: People, client_for: Any, endpoint: Endpoint) -> None:
    router = {
        "ready": True,
        "base_url": "http://10.0.0.1:30080",
        "scheme": "http",
        "host": "10.0.0.1",
        "port": 30080,
        "address": "10.0.0.1",
    }
    Extension.objects.update(router=router)
    client = client_for(people.contributor)
    pages = [f"/w/team/endpoints/flowers/{part}" for part in ("", "test/", "consume/", "monitoring/", "logs/", "revisions/", "events/")]
    for path in ("/w/team/endpoints/", *pages, "/w/team/endpoints/-/name/?name=roses&compute=local"):
        assert "Plain HTTP" in client.get(path).content.decode(), path
    shown = client.get("/api/v1/workspaces/team/online-endpoints/flowers").json()
    assert shown["insecure"] and shown["plain_http"]


def test_plain_http_beside_tls_is_said_and_the_address_is_not_called_insecure(people: People, client_for: Any, endpoint: Endpoint) -> None:
    row = Extension.objects.get()
    Extension.objects.update(settings=row.settings | {"allowInsecureConnections": True})
    client = client_for(people.contributor)
    assert "Plain HTTP, too" in client.get("/w/team/endpoints/flowers/").content.decode()
    assert "Plain HTTP" not in client.get("/w/team/endpoints/").content.decode()


def test_what_happened_is_a_list_of_the_endpoint_and_its_deployments(people: People, client_for: Any, endpoint: Endpoint) -> None:
    endpoint.changes.all().delete()
    for deployment, status, reason in (("", "ready", ""), ("blue", "updating", "asked for"), ("blue", "failed", "no replica got ready")):
        Change.objects.create(endpoint=endpoint, deployment=deployment, old="creating", status=status, at=timezone.now(), reason=reason)
    path = "/w/team/endpoints/flowers/events/"
    client = client_for(people.reader)

    def states(**query: str) -> list[str]:
        return [line.row.status for line in client.get(path, query).context["list"].lines]

    assert states() == ["failed", "updating", "ready"]
    assert states(show="endpoint") == ["ready"] and states(deployment="blue", sort="at") == ["updating", "failed"]
    assert states(q="replica") == ["failed"] and states(state="updating", since="1h") == ["updating"]
    live = client.get(path, headers={"HX-Request": "true", "HX-Trigger": "list"}).content.decode()
    assert 'id="list"' in live and "cluster-events" not in live
