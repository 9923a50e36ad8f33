"""What people do with endpoints and deployments: what is accepted, what is refused and where, what is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from compute.extension.models import Extension
from compute.models import Cluster, Compute
from endpoints import services
from endpoints.models import Deployment, Endpoint
from studio.accounts.models import Workspace
from studio.assets.models import ImageRule
from studio.assets.registry.given import Given
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.services import register_version
from studio.assets.services import tree_of_uploads
from studio.audit.models import Entry
from studio.core.errors import ProblemError, ProblemList
from tests.conftest import People

ENDPOINT = "name: flowers\ncompute: azureml:local\nauth_mode: key\n"
DEPLOYMENT = """name: blue
endpoint_name: flowers
model: {path: ./weights}
code_configuration: {code: ./src, scoring_script: score.py}
environment: {image: registry/sklearn:1}
"""


@pytest.fixture
def code(people: People) -> str:
    return tree_of_uploads(people.workspace, [("score.py", io.BytesIO(b"def init(): pass\ndef run(d): return d\n"))]).digest


@pytest.fixture
def model(people: People) -> str:
    return tree_of_uploads(people.workspace, [("a.bin", io.BytesIO(b"a")), ("b/c.bin", io.BytesIO(b"c"))]).digest


def refused(what: Callable[[], Any]) -> list[tuple[str, str | None, int | None]]:
    with pytest.raises((ProblemList, ProblemError)) as error:
        what()
    problems = error.value.errors if isinstance(error.value, ProblemList) else [error.value]
    return [(problem.problem.id, problem.field, problem.line) for problem in problems]


def test_an_endpoint_has_two_strong_keys_and_is_told_nobody_but_who_asks(people: People, compute: Compute) -> None:
    endpoint = services.create_endpoint(people.contributor, people.workspace, text=ENDPOINT)
    keys = services.reveal_keys(people.contributor, endpoint)
    assert len(set(keys.values())) == 2 and all(len(key) >= 40 for key in keys.values())
    assert [entry.verb for entry in Entry.objects.order_by("id")] == ["created", "revealed the keys of"]
    assert not any(key in str(entry.diff) for key in keys.values() for entry in Entry.objects.all())


def test_a_name_is_given_once_a_workspace_and_once_a_router(people: People, compute: Compute, cluster: Cluster) -> None:
    services.create_endpoint(people.contributor, people.workspace, text=ENDPOINT)
    again = refused(lambda: services.create_endpoint(people.contributor, people.workspace, text=ENDPOINT))
    assert again == [("endpoint-name-taken", "name", None)]
    elsewhere = Workspace.objects.get(name="elsewhere")
    Compute.objects.create(workspace=elsewhere, cluster=cluster, name="local", namespace="mooring-elsewhere", status="ready")
    there = refused(lambda: services.create_endpoint(people.stranger, elsewhere, text=ENDPOINT))
    assert there == [("endpoint-name-taken-on-router", "name", None)]


def test_an_endpoint_needs_a_compute_whose_cluster_has_a_router(people: People, compute: Compute) -> None:
    missing = refused(lambda: services.create_endpoint(people.contributor, people.workspace, text="name: flowers\n"))
    assert missing == [("endpoint-compute-missing", "compute", 1)]
    unknown = refused(lambda: services.create_endpoint(people.contributor, people.workspace, text=ENDPOINT, overrides=["compute=gpu"]))
    assert unknown == [("endpoint-compute-unknown", "compute", None)]
    Extension.objects.all().delete()
    without = refused(lambda: services.create_endpoint(people.contributor, people.workspace, text=ENDPOINT))
    assert without == [("extension-absent", "compute", 2)]


def test_a_deployment_keeps_all_that_its_pods_depend_on(
    people: People, make_endpoint: Callable[..., Endpoint], code: str, model: str
) -> None:
    made = services.create_deployment(people.contributor, make_endpoint(), text=DEPLOYMENT, code=code, model=model)
    spec = made.wanted.spec  # type: ignore[union-attr]
    assert (spec["image"], spec["code_digest"], spec["scoring_script"]) == ("registry/sklearn:1", code, "score.py")
    assert (spec["model"]["digest"], spec["model"]["base_name"], spec["model"]["version"]) == (model, "weights", "1")
    assert spec["resources"]["limits"] == {"cpu": "1", "memory": "2Gi"} and spec["instance_type"] == "small"
    assert (made.status, made.wanted.number, len(made.token) > 30) == ("creating", 1, True)  # type: ignore[union-attr]


def test_files_that_did_not_come_are_asked_for_where_they_are_named(people: People, make_endpoint: Callable[..., Endpoint]) -> None:
    found = refused(lambda: services.create_deployment(people.contributor, make_endpoint(), text=DEPLOYMENT))
    assert found == [("deployment-code-not-sent", "code_configuration.code", 4), ("deployment-model-not-sent", "model.path", 3)]


def test_a_script_that_is_not_in_the_code_is_refused(people: People, make_endpoint: Callable[..., Endpoint], code: str, model: str) -> None:
    text = DEPLOYMENT.replace("score.py", "other.py")
    found = refused(lambda: services.create_deployment(people.contributor, make_endpoint(), text=text, code=code, model=model))
    assert found == [("deployment-script-missing", "code_configuration.scoring_script", 4)]


def test_resources_stay_within_the_instance_type(people: People, make_endpoint: Callable[..., Endpoint], code: str, model: str) -> None:
    def create(text: str) -> Deployment:
        return services.create_deployment(people.contributor, make_endpoint(f"e{len(text)}"), text=text, code=code, model=model)

    assert refused(lambda: create(DEPLOYMENT + 'resources: {limits: {cpu: "2"}}\n'))[0][:2] == (
        "deployment-resources-too-large", "resources.limits.cpu",
    )  # fmt: skip
    made = create(DEPLOYMENT + 'resources: {limits: {memory: 200Mi}, requests: {cpu: "0.1"}}\n')
    assert made.wanted.spec["resources"] == {  # type: ignore[union-attr]
        "requests": {"cpu": "0.1", "memory": "200Mi"}, "limits": {"cpu": "1", "memory": "200Mi"},
    }  # fmt: skip


def test_a_conda_file_needs_an_image_that_stands_in_for_it(
    people: People, make_endpoint: Callable[..., Endpoint], code: str, model: str
) -> None:
    text = DEPLOYMENT.replace("{image: registry/sklearn:1}", "{image: base/ubuntu:1, conda_file: ./conda.yaml}")
    endpoint = make_endpoint()
    found = refused(lambda: services.create_deployment(people.contributor, endpoint, text=text, code=code, model=model))
    assert found == [("deployment-needs-not-there", "environment", 5)]
    ImageRule.objects.create(pattern="base/*", image="registry/with-packages:1")
    made = services.create_deployment(people.contributor, endpoint, text=text, code=code, model=model)
    assert made.wanted.spec["image"] == "registry/with-packages:1"  # type: ignore[union-attr]
    assert "stands in for base/ubuntu:1" in made.warnings[0]["text"]


def test_a_model_with_a_name_is_registered_once(people: People, make_endpoint: Callable[..., Endpoint], code: str, model: str) -> None:
    text = DEPLOYMENT.replace("{path: ./weights}", "{name: roses, path: ./weights}")
    made = services.create_deployment(people.contributor, make_endpoint(), text=text, code=code, model=model)
    assert made.wanted.spec["model"]["reference"] == "azureml:roses:1"  # type: ignore[union-attr]
    services.update_deployment(people.contributor, made, text=text + "description: again\n", code=code, model=model)
    assert ModelVersion.objects.count() == 1


def test_the_same_pods_are_no_new_revision(people: People, make_endpoint: Callable[..., Endpoint], code: str, model: str) -> None:
    made = services.create_deployment(people.contributor, make_endpoint(), text=DEPLOYMENT, code=code, model=model)
    services.update_deployment(people.contributor, made, text=DEPLOYMENT, overrides=["instance_count=3"])
    assert (made.instance_count, made.revisions.count()) == (3, 1)
    services.update_deployment(people.contributor, made, text=DEPLOYMENT, overrides=["environment_variables.LEVEL=2"])
    assert (made.wanted.number, made.wanted.spec["code_digest"]) == (2, code)  # type: ignore[union-attr]


def test_traffic_goes_to_deployments_that_were_ready(
    people: People, make_endpoint: Callable[..., Endpoint], make_deployment: Callable[..., Deployment]
) -> None:
    endpoint = make_endpoint()
    make_deployment(endpoint, "blue")
    make_deployment(endpoint, "green")
    Deployment.objects.create(endpoint=endpoint, name="fresh")

    def share(traffic: dict[str, int], mirror: dict[str, int] | None = None) -> list[str]:
        return [
            id for id, _, _ in refused(lambda: services.set_traffic(people.contributor, endpoint, traffic=traffic, mirror_traffic=mirror))
        ]

    assert share({"blue": 60}) == ["endpoint-traffic-sum"]
    assert share({"purple": 100}) == ["endpoint-traffic-unknown"]
    assert share({"fresh": 100}) == ["endpoint-traffic-not-ready"]
    assert share({"blue": 100}, {"blue": 10}) == ["endpoint-mirror-not-usable"]
    services.set_traffic(people.contributor, endpoint, traffic={"blue": 90, "green": 10})
    assert (endpoint.traffic, endpoint.status, endpoint.generation) == ({"blue": 90, "green": 10}, "updating", 2)
    assert Entry.objects.order_by("-id")[0].diff == {"traffic": [{}, {"blue": 90, "green": 10}]}


def test_a_deployment_with_traffic_is_not_deleted(
    people: People, make_endpoint: Callable[..., Endpoint], make_deployment: Callable[..., Deployment]
) -> None:
    endpoint = make_endpoint(traffic={"blue": 100})
    deployment = make_deployment(endpoint)
    assert refused(lambda: services.delete_deployment(people.contributor, deployment))[0][0] == "deployment-has-traffic"
    Endpoint.objects.update(traffic={})
    services.delete_deployment(people.contributor, deployment)
    assert deployment.status == "deleting"


def test_regenerating_one_key_leaves_the_other(people: People, make_endpoint: Callable[..., Endpoint]) -> None:
    endpoint = make_endpoint()
    before = (endpoint.primary_key, endpoint.secondary_key)
    services.regenerate_key(people.contributor, endpoint, which="secondary")
    assert endpoint.primary_key == before[0] and endpoint.secondary_key != before[1]
    assert Entry.objects.get().diff == {}
    assert refused(lambda: services.regenerate_key(people.contributor, endpoint, which="third"))[0][0] == "endpoint-key-unknown"


def test_what_is_being_deleted_takes_nothing_more(people: People, make_endpoint: Callable[..., Endpoint], make_deployment: Any) -> None:
    endpoint = make_endpoint()
    deployment = make_deployment(endpoint)
    services.delete_endpoint(people.contributor, endpoint)
    deployment.refresh_from_db()
    assert (endpoint.status, deployment.status) == ("deleting", "deleting")
    assert refused(lambda: services.set_traffic(people.contributor, endpoint, traffic={}))[0][0] == "endpoint-going"
    assert refused(lambda: services.scale_deployment(people.contributor, deployment, instance_count=2))[0][0] == "deployment-going"


def test_pods_get_the_trees_of_their_own_deployment_and_no_others(
    people: People, make_endpoint: Callable[..., Endpoint], code: str, model: str, client: Client
) -> None:
    made = services.create_deployment(people.contributor, make_endpoint(), text=DEPLOYMENT, code=code, model=model)
    other = tree_of_uploads(people.workspace, [("x", io.BytesIO(b"x"))]).digest

    def ask(digest: str, token: str, rest: str = "") -> int:
        return client.get(
            f"/runner/v1/deployments/{made.pk}/trees/{digest}{rest}", headers={"Authorization": f"Bearer {token}"}
        ).status_code

    assert [ask(code, made.token), ask(model, made.token, ".tar"), ask(other, made.token)] == [200, 200, 404]
    assert [ask(code, "wrong"), ask(code, "")] == [401, 401]
    Deployment.objects.update(token="")
    assert ask(code, "") == 401


def test_the_api_never_shows_a_key_or_a_token(
    people: People, make_endpoint: Callable[..., Endpoint], make_deployment: Any, client_for: Any
) -> None:
    endpoint = make_endpoint()
    make_deployment(endpoint, token="the-deployments-token")
    for path in ("", "/flowers", "/flowers/deployments", "/flowers/deployments/blue"):
        text = client_for(people.owner).get(f"/api/v1/workspaces/team/online-endpoints{path}").content.decode()
        assert '"name"' in text
        assert not any(secret in text for secret in (endpoint.primary_key, endpoint.secondary_key, "the-deployments-token"))


def test_a_triton_model_without_code_is_refused_given_here_or_registered(people: People, make_endpoint: Any, model: str) -> None:
    endpoint = make_endpoint()
    register_version(people.contributor, people.workspace, given=Given(name="digits", type="triton_model", tree=model))
    registered = "name: blue\nendpoint_name: flowers\nmodel: azureml:digits@latest\nenvironment: {image: registry/triton:1}\n"
    here = registered.replace("azureml:digits@latest", "{path: ./weights, type: triton_model}")
    for text in (registered, here):
        what = refused(lambda text=text: services.create_deployment(people.contributor, endpoint, text=text, model=model))
        assert what == [("deployment-needs-not-there", "environment", 4)]
    bare = refused(lambda: services.create_deployment(people.contributor, endpoint, text=here.rsplit("\n", 2)[0], model=model))
    assert bare[0][:2] == ("spec-field-missing", "environment")


def test_what_would_scale_by_itself_is_kept_and_said_not_to(people: People, make_endpoint: Any, code: str, model: str) -> None:
    text = DEPLOYMENT + "scale_settings: {type: target_utilization, min_instances: 2, max_instances: 5}\n"
    made = services.create_deployment(people.contributor, make_endpoint(), text=text, code=code, model=model)
    assert (made.instance_count, made.scale_settings["max_instances"]) == (2, 5)
    assert "Nothing scales by itself yet: 2 instances run" in made.warnings[0]["text"]
