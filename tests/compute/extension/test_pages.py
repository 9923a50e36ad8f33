"""The page of the extension: what it shows in each state, and that nothing typed is lost."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compute.extension.models import Extension, ExtensionOperation, ExtensionRevision
from compute.models import Cluster
from studio.accounts.models import User
from tests.compute.extension.releases import install_program

pytestmark = pytest.mark.django_db

PAGE = "/ops/clusters/local/extension/"
FORM = {
    "enableTraining": "on",
    "enableInference": "on",
    "inferenceRouterServiceType": "nodePort",
    "allowInsecureConnections": "on",
    "sslCname": "",
    "sslSecret": "",
    "workLoadToleration": "spot=true:NoSchedule",
    "nodeSelector_key": ["pool"],
    "nodeSelector_value": ["ml"],
}


@pytest.fixture
def page(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def there(cluster: Cluster) -> Extension:
    settings = {
        "enableTraining": True,
        "enableInference": True,
        "inferenceRouterServiceType": "clusterIP",
        "allowInsecureConnections": True,
    }
    router = {"ready": True, "base_url": "http://10.0.0.2:30080", "scheme": "http", "host": "10.0.0.2"}
    row = Extension.objects.create(cluster=cluster, status="ready", settings=settings, revision=2, router=router, seen_at=timezone.now(),
                                   health=[{"kind": "Gateway", "name": "mooring-router", "namespace": "x", "state": "ready", "text": "Programmed"},
                                           {"kind": "Role", "name": "a-role", "namespace": "x", "state": "ready", "text": ""}])  # fmt: skip
    for number in (1, 2):
        ExtensionRevision.objects.create(
            extension=row,
            number=number,
            helm_revision=number,
            kind="install",
            digest="0" * 64,
            manifest=f"kind: Gateway\nreplicas: {number}\n",
        )
    return row


def shown(page: Client, path: str = PAGE, **headers: Any) -> str:
    answer = page.get(path, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_nothing_installed_says_what_it_is_for(page: Client, cluster: Cluster) -> None:
    text = shown(page)
    assert "Nothing installed" in text and "Review installation" in text


def test_it_shows_objects_address_and_revisions(page: Client, there: Extension) -> None:
    text = shown(page)
    for word in (
        "http://10.0.0.2:30080",
        "Plain HTTP",
        "mooring-router",
        "1 more that only have to be there",
        "in force",
        "Review changes",
    ):
        assert word in text, word


def test_it_answers_its_live_part_alone(page: Client, there: Extension) -> None:
    text = shown(page, **{"HX-Request": "true"})
    assert "<html" not in text and 'id="live"' in text and "<form" not in text


def test_an_operation_shows_its_steps_and_how_it_failed(page: Client, there: Extension) -> None:
    steps = [{"key": "helm", "title": "Helm", "state": "failed", "text": "it did not do"}]
    problem = {"id": "extension-helm-failed", "title": "Helm failed", "text": "it did not do", "todo": "Look at Helm's output"}
    ExtensionOperation.objects.create(
        extension=there, kind="change", status="failed", steps=steps, problem=problem, output="Error: it did not do"
    )
    text = shown(page)
    assert "extension-helm-failed" in text and "Error: it did not do" in text


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(page: Client, cluster: Cluster, settings: Any, tmp_path: Any) -> None:
    settings.HELM = install_program(tmp_path)
    answer = page.post(PAGE, FORM | {"sslCname": "no name", "workLoadToleration": "spot=true:Never"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "&#x27;no name&#x27; is not a host name" in text and "NoSchedule, PreferNoSchedule, NoExecute" in text
    assert 'value="pool"' in text and "spot=true:Never" in text
    assert not ExtensionOperation.objects.exists()


def test_a_change_is_shown_before_it_is_applied(page: Client, there: Extension, settings: Any, tmp_path: Any) -> None:
    settings.HELM = install_program(tmp_path)
    given = FORM | {"nodeSelector_key": [], "nodeSelector_value": []}
    answer = page.post(PAGE, given)
    text = answer.content.decode()
    assert answer.status_code == 200, text[-3000:]
    assert "What changes" in text and "clusterIP" in text and "nodePort" in text and 'name="step" value="apply"' in text
    assert not ExtensionOperation.objects.exists()
    answer = page.post(PAGE, given | {"step": "apply"})
    assert answer.status_code == 302 and answer["Location"] == reverse("compute:extension", args=["local"])
    operation = ExtensionOperation.objects.get()
    assert operation.kind == "change" and operation.settings["inferenceRouterServiceType"] == "nodePort"
    assert operation.settings["workLoadToleration"] == [{"key": "spot", "value": "true", "effect": "NoSchedule", "operator": "Equal"}]


def test_an_install_is_reviewed_and_what_was_typed_goes_back_to_the_form(page: Client, cluster: Cluster, settings: Any, tmp_path: Any) -> None:
    settings.HELM = install_program(tmp_path)
    given = FORM | {"nodeSelector_key": [], "nodeSelector_value": []}
    text = page.post(PAGE, given).content.decode()
    assert "What is installed" in text and "Install extension" in text and "nodePort" in text
    assert not ExtensionOperation.objects.exists()
    back = page.post(PAGE, given | {"step": "edit"})
    assert back.status_code == 200 and 'spot=true:NoSchedule' in back.content.decode() and 'data-guard="typed"' in back.content.decode()
    assert page.post(PAGE, given | {"step": "apply"}).status_code == 302
    assert ExtensionOperation.objects.get().kind == "install"


def test_a_revision_shows_how_it_differs_and_can_be_brought_back(page: Client, there: Extension) -> None:
    text = shown(page, f"{PAGE}revisions/1/")
    assert "-replicas: 2" in text and "+replicas: 1" in text and "Roll back to this" in text
    assert "Roll back to this" not in shown(page, f"{PAGE}revisions/2/")
    assert page.get(f"{PAGE}revisions/9/").status_code == 404


def test_removing_says_what_goes(page: Client, there: Extension) -> None:
    text = shown(page, f"{PAGE}remove/")
    assert "http://10.0.0.2:30080" in text and "These stay" in text
