from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import yaml

from sandbox import charts
from sandbox.console import Console
from sandbox.errors import SandboxError

CHART = (
    "apiVersion: v2\nname: gateway-helm\nversion: v0.0.0-latest\nappVersion: latest\ndependencies:\n  - name: crds\n    version: 0.0.0\n"
)
TEMPLATE = """{{- if and .Values.a (eq .Values.b "standard") }}
# Of the makers
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gateways.gateway.networking.k8s.io
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: safe-upgrades
{{- end }}
"""
OWN = "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    files = {
        "charts/gateway-helm/Chart.yaml": CHART,
        "charts/gateway-helm/values.tmpl.yaml": "image: ${GatewayImage}\npullPolicy: ${GatewayImagePullPolicy}\n",
        "charts/gateway-helm/.helmignore": "*.tmpl.*\n",
        "charts/gateway-helm/templates/service.yaml": "kind: Service\n",
        "charts/gateway-helm/charts/crds/Chart.yaml": "name: crds\nversion: 0.0.0\n",
        f"{charts.OWN}/b.yaml": OWN.format(name="b"),
        f"{charts.OWN}/a.yaml": OWN.format(name="a"),
        charts.STANDARD: TEMPLATE,
    }
    for name, text in files.items():
        path = tmp_path / "module" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "module"


def _names(path: Path) -> list[tuple[str, str]]:
    return [(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(path.read_text())]


def test_the_definitions_of_the_two_makers_are_kept_apart(module: Path, tmp_path: Path) -> None:
    charts.write(module, "1.2.3", tmp_path / "made")
    assert _names(tmp_path / "made" / charts.GATEWAY_API) == [("CustomResourceDefinition", "gateways.gateway.networking.k8s.io")]
    assert _names(tmp_path / "made" / charts.SAFE_UPGRADES) == [("ValidatingAdmissionPolicy", "safe-upgrades")]
    assert _names(tmp_path / "made" / charts.ENVOY_GATEWAY) == [("CustomResourceDefinition", "a"), ("CustomResourceDefinition", "b")]


def test_the_packed_chart_has_its_version_and_its_image_filled_in(module: Path, tmp_path: Path) -> None:
    charts.package(module / "charts" / "gateway-helm", "1.2.3", tmp_path / "one.tgz")
    charts.package(module / "charts" / "gateway-helm", "1.2.3", tmp_path / "two.tgz")
    assert (tmp_path / "one.tgz").read_bytes() == (tmp_path / "two.tgz").read_bytes()
    with tarfile.open(tmp_path / "one.tgz") as archive:
        found = {member.name: (archive.extractfile(member) or pytest.fail()).read() for member in archive}
    assert "gateway-helm/values.tmpl.yaml" not in found
    assert {"gateway-helm/charts/crds/Chart.yaml", "gateway-helm/templates/service.yaml"} <= set(found)
    described = yaml.safe_load(found["gateway-helm/Chart.yaml"])
    assert (described["version"], described["appVersion"]) == ("1.2.3", "v1.2.3")
    assert described["dependencies"][0]["version"] == "0.0.0"
    assert yaml.safe_load(found["gateway-helm/values.yaml"]) == {"image": f"{charts.IMAGE}:v1.2.3", "pullPolicy": "IfNotPresent"}


def test_a_chart_with_a_field_that_is_not_known_is_refused(module: Path, tmp_path: Path) -> None:
    (module / "charts/gateway-helm/values.tmpl.yaml").write_text("new: ${SomethingNew}\n")
    with pytest.raises(SandboxError, match="not known"):
        charts.package(module / "charts" / "gateway-helm", "1.2.3", tmp_path / "one.tgz")


def test_definitions_that_are_templates_are_refused(module: Path, tmp_path: Path) -> None:
    (module / charts.STANDARD).write_text(TEMPLATE.replace("safe-upgrades", "{{ .Release.Name }}"))
    with pytest.raises(SandboxError, match="more of a template"):
        charts.write(module, "1.2.3", tmp_path / "made")


def test_charts_that_are_there_are_not_fetched_again(cache: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not charts.are_there()
    charts.folder().mkdir(parents=True)
    for name in charts.files():
        (charts.folder() / name).touch()
    monkeypatch.setattr(charts, "_make", lambda console: pytest.fail("fetched again"))
    assert charts.ensure(console) == cache / "charts" / charts.folder().name
