"""The wizard: from a form or two YAMLs to an endpoint and its deployment, with nothing typed lost."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from compute.extension.models import Extension
from endpoints.models import Deployment, Endpoint
from studio.assets.registry.models import Model, ModelVersion
from studio.assets.services import tree_of_uploads
from tests.conftest import People

SCORE = b"def init():\n    pass\n\n\ndef run(raw_data):\n    return {}\n"
URL = "/w/team/endpoints/-/new/"


@pytest.fixture
def model(people: People, compute: Any) -> ModelVersion:
    """Register one version of a model."""
    snapshot = tree_of_uploads(people.workspace, [("model.pkl", io.BytesIO(b"weights"))])
    row = Model.objects.create(workspace=people.workspace, name="flowers")
    return ModelVersion.objects.create(model=row, version="3", snapshot=snapshot, base_name="model")


def form(**changed: Any) -> dict[str, Any]:
    given = {
        "as": "form", "name": "flowers", "compute": "local", "deployment": "blue", "model": "flowers:3", "runs": "script",
        "scoring_script": "score.py", "image": "python:3.11", "count": "1", "instance_type": "", "all_traffic": "on",
        "code": SimpleUploadedFile("score.py", SCORE),
    }  # fmt: skip
    return {key: value for key, value in {**given, **changed}.items() if value is not None}


def test_the_form_begins_with_what_need_not_be_chosen(people: People, client_for: Any, model: ModelVersion) -> None:
    answer = client_for(people.contributor).get(URL)
    values = answer.context["form"].initial
    assert (values["compute"], values["model"], values["deployment"], values["all_traffic"]) == ("local", "flowers:3", "blue", "on")
    assert b"flowers:3" in answer.content


def test_it_begins_with_the_model_whose_page_it_came_from(people: People, client_for: Any, model: ModelVersion) -> None:
    answer = client_for(people.contributor).get(URL, {"model": "flowers:3"})
    assert answer.context["form"].initial["model"] == "flowers:3"


def test_an_endpoint_with_its_deployment_is_made(people: People, client_for: Any, model: ModelVersion) -> None:
    answer = client_for(people.contributor).post(URL, form(env_key=["LEVEL"], env_value=["2"]))
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    endpoint = Endpoint.objects.get()
    assert (endpoint.name, endpoint.compute_name, endpoint.created_by) == ("flowers", "local", people.contributor)
    blue = Deployment.objects.get()
    assert blue.traffic_when_ready and blue.wanted is not None
    spec = blue.wanted.spec
    assert (spec["scoring_script"], spec["image_asked"], spec["model"]["name"]) == ("score.py", "python:3.11", "flowers")
    assert spec["environment_variables"] == {"LEVEL": "2"} and spec["code_digest"]


def test_only_the_endpoint_for_now(people: People, client_for: Any, model: ModelVersion) -> None:
    answer = client_for(people.contributor).post(URL, form(later="on", deployment="", code=None))
    assert answer.status_code == 302 and Endpoint.objects.count() == 1 and not Deployment.objects.exists()


def test_a_container_of_its_own_needs_no_script(people: People, client_for: Any, compute: Any) -> None:
    given = form(runs="routes", model="", code=None, image="server:1", scoring_path="/predict", scoring_port="8080", readiness_path="/ok",
                 liveness_path="/ok")  # fmt: skip
    answer = client_for(people.contributor).post(URL, given)
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    assert Deployment.objects.get().wanted.spec["routes"]["scoring"] == {"path": "/predict", "port": 8080}


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"name": "1st"}, "id_name", "a letter first"),
        ({"name": ""}, "id_name", "required"),
        ({"compute": "elsewhere"}, "id_compute", "There is no compute named elsewhere"),
        ({"model": "nothing:1"}, "id_model", "nothing"),
        ({"scoring_script": "other.py"}, "id_scoring_script", "There is no file other.py"),
        ({"code": None}, "field_code", "Choose the scoring script"),
        ({"instance_type": "huge"}, "id_instance_type", "huge"),
        ({"deployment": "x"}, "id_deployment", "3 to 32"),
        ({"image": ""}, "id_image", "image"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_made(
    people: People, client_for: Any, model: ModelVersion, changed: dict[str, Any], field: str, said: str
) -> None:
    answer = client_for(people.contributor).post(URL, form(**changed))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert said in text and f'href="#{field}"' in text, text[text.find("Nothing was") :][:800]
    assert not Endpoint.objects.exists() and not Deployment.objects.exists()


def test_a_taken_name_is_said_with_all_else_that_is_wrong(people: People, client_for: Any, model: ModelVersion, make_endpoint: Any) -> None:
    make_endpoint("flowers")
    text = client_for(people.contributor).post(URL, form(code=None)).content.decode()
    assert "There is already an endpoint named flowers" in text and "Choose the scoring script" in text
    assert "2 things need a look" in text and text.count("Nothing was") == 1


def test_the_code_is_kept_when_the_form_comes_back(people: People, client_for: Any, model: ModelVersion) -> None:
    client = client_for(people.contributor)
    answer = client.post(URL, form(name="1st"))
    digest = answer.context["draft"].code
    assert digest and "Kept: 1 file" in answer.content.decode()
    answer = client.post(URL, form(code=None, code_kept=digest))
    assert answer.status_code == 302 and Deployment.objects.get().wanted.spec["code_digest"] == digest


def test_form_and_yaml_say_the_same(people: People, client_for: Any, model: ModelVersion) -> None:
    client = client_for(people.contributor)
    given = form(to="yaml", count="2", env_key=["A"], env_value=["b"], instance_type="large", description="Irises")
    answer = client.post(URL, given)
    texts = answer.context["texts"]
    assert "name: flowers" in texts.endpoint and "azureml:flowers:3" in texts.deployment and "instance_count: 2" in texts.deployment
    back = client.post(URL, {"as": "yaml", "to": "form", "endpoint_yaml": texts.endpoint, "deployment_yaml": texts.deployment,
                             "code_kept": texts.code, "all_traffic": "on"})  # fmt: skip
    draft = back.context["draft"]
    for name in ("name", "compute", "deployment", "model", "runs", "scoring_script", "image", "count", "instance_type", "description"):
        assert draft.fields[name] == given[name], name
    assert draft.code == texts.code and draft.variables[0].key == "A"


def test_what_the_form_has_no_input_for_is_carried_along(people: People, client_for: Any, model: ModelVersion) -> None:
    client = client_for(people.contributor)
    texts = client.post(URL, form(to="yaml")).context["texts"]
    more = texts.deployment + "rollout:\n  deadline_seconds: 90\nrequest_settings:\n  request_timeout_ms: 9000\n"
    page = client.post(URL, {"as": "yaml", "to": "form", "endpoint_yaml": texts.endpoint, "deployment_yaml": more, "code_kept": texts.code})
    assert "rollout" in page.context["deployment_rest"] and page.context["form"]["request_timeout_ms"].value() == "9000"
    answer = client.post(URL, form(code=None, code_kept=texts.code, deployment_rest=page.context["deployment_rest"]))
    assert answer.status_code == 302
    assert Deployment.objects.get().rollout_deadline_seconds == 90


def test_a_problem_of_the_yaml_names_its_line(people: People, client_for: Any, model: ModelVersion) -> None:
    client = client_for(people.contributor)
    answer = client.post(URL, {"as": "yaml", "endpoint_yaml": "name: flowers\ncompute: azureml:local\n",
                               "deployment_yaml": "name: blue\nendpoint_name: flowers\nmodel: azureml:nothing:1\nenvironment: {image: x}\n"
                               "code_configuration: {code: ./src, scoring_script: score.py}\n"})  # fmt: skip
    text = answer.content.decode()
    assert answer.status_code == 422 and "Deployment: <b>line 3" in text and "azureml:nothing:1" in text
    assert not Endpoint.objects.exists()


LOCAL = """name: blue
endpoint_name: flowers
model: {path: ../model-1/model/}
code_configuration: {code: ../model-1/onlinescoring/, scoring_script: score.py}
environment: {image: registry/sklearn:1}
"""


def yamls(**changed: Any) -> dict[str, Any]:
    given = {
        "as": "yaml", "endpoint_yaml": "name: flowers\ncompute: azureml:local\n", "deployment_yaml": LOCAL, "all_traffic": "on",
        "code": SimpleUploadedFile("score.py", SCORE), "model_files": [SimpleUploadedFile("a.pkl", b"a"), SimpleUploadedFile("b.pkl", b"b")],
    }  # fmt: skip
    return {key: value for key, value in {**given, **changed}.items() if value is not None}


def test_a_yaml_with_a_local_model_is_taken_with_its_files(people: People, client_for: Any, compute: Any) -> None:
    client = client_for(people.contributor)
    answer = client.post(URL, yamls())
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    spec = Deployment.objects.get().wanted.spec  # type: ignore[union-attr]
    assert spec["model"]["base_name"] == "model" and not spec["model"]["is_file"] and spec["model"]["digest"] != spec["code_digest"]
    answer = client.post("/w/team/endpoints/flowers/deployments/-/new/", yamls(deployment_yaml=LOCAL.replace("blue", "green")))
    assert answer.status_code == 302 and Deployment.objects.get(name="green").wanted.spec["model"] == spec["model"]  # type: ignore[union-attr]


def test_a_local_model_that_was_not_sent_is_said_at_its_place_and_what_was_sent_is_kept(
    people: People, client_for: Any, compute: Any
) -> None:
    client = client_for(people.contributor)
    page = client.post(URL, yamls(model_files=None))
    assert page.status_code == 422 and not Endpoint.objects.exists()
    text = page.content.decode()
    assert "Choose the file or the folder that model.path names." in text and "deployment-model-not-sent" in text
    page = client.post(URL, yamls(code=None, code_kept=page.context["texts"].code, deployment_yaml=LOCAL.replace("blue", "1")))
    assert page.status_code == 422 and "Kept: 2 files" in page.content.decode()
    texts = page.context["texts"]
    answer = client.post(URL, yamls(code=None, model_files=None, code_kept=texts.code, model_kept=texts.model))
    assert answer.status_code == 302 and Deployment.objects.get().wanted.spec["model"]["digest"] == texts.model  # type: ignore[union-attr]


def test_the_files_of_a_local_model_go_along_to_the_form_and_into_a_new_revision(
    people: People, client_for: Any, model: ModelVersion
) -> None:
    client = client_for(people.contributor)
    page = client.post(URL, yamls(to="form"))
    draft = page.context["draft"]
    kept = {"code": None, "code_kept": draft.code, "code_path": draft.code_path, "model_kept": draft.model, "image": "registry/sklearn:1"}
    kept |= {"deployment_rest": page.context["deployment_rest"]}
    assert draft.model_path == "../model-1/model/" and b"Kept: 2 files" in page.content
    assert client.post(URL, form(**kept, model="")).status_code == 302
    assert Deployment.objects.get().wanted.spec["model"]["digest"] == draft.model  # type: ignore[union-attr]
    url = reverse("endpoints:new-deployment", args=["team", "flowers"], query={"of": "blue"})
    assert client.get(url).context["draft"].model == draft.model
    assert client.post(url, form(**kept)).status_code == 302
    chosen = Deployment.objects.get().wanted
    assert chosen is not None and chosen.number == 2 and chosen.spec["model"]["reference"] == "azureml:flowers:3"


def test_a_packed_model_is_left_packed_where_the_yaml_names_it_so(people: People, client_for: Any, compute: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.pkl", b"a")
    text = LOCAL.replace("../model-1/model/", "./model.zip")
    answer = client_for(people.contributor).post(
        URL, yamls(deployment_yaml=text, model_files=SimpleUploadedFile("model.zip", packed.getvalue()))
    )
    assert answer.status_code == 302 and Deployment.objects.get().wanted.spec["model"]["is_file"]  # type: ignore[union-attr]


def test_a_second_deployment_starts_beside_the_first(people: People, client_for: Any, model: ModelVersion) -> None:
    client = client_for(people.contributor)
    client.post(URL, form())
    url = reverse("endpoints:new-deployment", args=["team", "flowers"])
    answer = client.get(url)
    assert answer.context["form"].initial["deployment"] == "green" and not answer.context["form"].initial["all_traffic"]
    answer = client.post(url, form(deployment="green", name=None, compute=None, all_traffic=None))
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    assert {row.name: row.traffic_when_ready for row in Deployment.objects.all()} == {"blue": True, "green": False}
    answer = client.post(url, form(deployment="green", name=None, compute=None))
    assert answer.status_code == 422 and b"already has a deployment named green" in answer.content


def test_a_new_revision_begins_with_what_the_deployment_is(people: People, client_for: Any, model: ModelVersion) -> None:
    client = client_for(people.contributor)
    client.post(URL, form())
    url = reverse("endpoints:new-deployment", args=["team", "flowers"], query={"of": "blue"})
    page = client.get(url)
    draft = page.context["draft"]
    assert draft.fields["scoring_script"] == "score.py" and draft.code and b"New revision of blue" in page.content
    answer = client.post(
        url, form(name=None, compute=None, code=None, code_kept=draft.code, code_path=draft.code_path, image="python:3.12")
    )
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    blue = Deployment.objects.get()
    assert blue.wanted.number == 2 and blue.wanted.spec["image_asked"] == "python:3.12"


@pytest.mark.parametrize(
    ("name", "said"),
    [("flowers", "Its address will be"), ("1st", "a letter first"), ("taken", "There is an endpoint taken in this workspace already")],
)
def test_a_name_is_checked_as_it_is_typed(people: People, client_for: Any, make_endpoint: Any, name: str, said: str) -> None:
    make_endpoint("taken")
    answer = client_for(people.contributor).get("/w/team/endpoints/-/name/", {"name": name, "compute": "local"})
    assert said in answer.content.decode()


def test_a_compute_without_a_router_says_so_in_the_choice(people: People, client_for: Any, compute: Any) -> None:
    Extension.objects.all().delete()
    assert b"the extension with inference is not installed" in client_for(people.contributor).get(URL).content


def test_limits_of_requests_and_probes_are_given_and_come_back(people: People, client_for: Any, model: ModelVersion) -> None:
    client = client_for(people.contributor)
    assert client.post(URL, form(request_timeout_ms="9000", max_concurrent="4", readiness_period="3")).status_code == 302
    spec = Deployment.objects.get().wanted.spec  # type: ignore[union-attr]
    assert spec["request_settings"] == {"request_timeout_ms": 9000, "max_concurrent_requests_per_instance": 4, "max_queue_wait_ms": 500}
    assert spec["probes"] == {"readiness": {"period": 3}}
    again = client.get("/w/team/endpoints/flowers/deployments/-/new/", {"of": "blue"}).context["form"]
    assert [again[name].value() for name in ("request_timeout_ms", "max_concurrent", "readiness_period")] == ["9000", "4", "3"]


def test_a_limit_that_is_wrong_is_said_at_its_field_and_what_only_the_yaml_has_is_kept(
    people: People, client_for: Any, model: ModelVersion
) -> None:
    answer = client_for(people.contributor).post(
        URL, form(request_timeout_ms="soon", deployment_rest='{"readiness_probe": {"success_threshold": 2}}', readiness_period="3")
    )
    assert answer.status_code in (200, 422) and not Deployment.objects.exists()
    assert answer.context["form"].has_error("request_timeout_ms") and b'<details id="limits" open>' in answer.content
    assert (
        client_for(people.contributor)
        .post(URL, form(deployment_rest='{"readiness_probe": {"success_threshold": 2}}', readiness_period="3"))
        .status_code
        == 302
    )
    assert Deployment.objects.get().wanted.spec["probes"] == {"readiness": {"period": 3, "success_threshold": 2}}  # type: ignore[union-attr]
