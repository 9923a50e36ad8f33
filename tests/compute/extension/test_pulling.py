"""Where the dependency of the chart comes from: a folder, or a repository of a registry, and what is said when it does not come."""

from __future__ import annotations

import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compute.extension.chart import ChartUnusable, Source, assemble, source_of
from compute.extension.helm import Helm, helm_for
from compute.kube.config import Connection

CONNECTION = Connection(server="https://cluster.example:6443", token="secret-token")
DEFINITION = "kind: CustomResourceDefinition\nmetadata: {{name: x.{group}}}\nspec: {{group: {group}}}\n"
# A registry that has the chart under its version without a `v`, and writes down how it was asked.
PULL = """
echo "$@" >> {folder}/asked
case "$*" in
  *"--version {version} "*) cp {folder}/chart.tgz "$6/gateway-helm-1.tgz" ;;
  *) echo "Error: failed to fetch: $2:$4: {refusal}" >&2; exit 1 ;;
esac
"""


def settings(charts: str, **more: Any) -> Any:
    return SimpleNamespace(**({"EXTENSION_CHARTS": charts, "EXTENSION_CHARTS_LOGIN": "", "EXTENSION_CHARTS_PLAIN_HTTP": False} | more))


def packed(folder: Path) -> None:
    """Pack a chart of Envoy Gateway as small as can be."""
    chart = folder / "gateway-helm"
    (chart / "charts" / "crds" / "crds").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: gateway-helm\nversion: 1.9.1\n")
    text = "---\n".join(DEFINITION.format(group=group) for group in ("gateway.networking.k8s.io", "gateway.envoyproxy.io"))
    (chart / "charts" / "crds" / "crds" / "all.yaml").write_text(text)
    with tarfile.open(folder / "chart.tgz", "w:gz") as tar:
        tar.add(chart, "gateway-helm")


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines()


def helm_of(folder: Path, *, version: str = "1.9.1", refusal: str = "not found") -> Helm:
    packed(folder)
    program = folder / "helm"
    program.write_text("#!/bin/sh\n" + PULL.format(folder=folder, version=version, refusal=refusal))
    program.chmod(0o755)
    (folder / "work").mkdir()
    with helm_for(CONNECTION, str(program), folder, "7") as made:
        environment = made.environment
    return Helm(str(program), folder / "work", made.kubeconfig, environment)


def test_a_folder_a_repository_and_nothing_are_told_apart() -> None:
    assert source_of(settings("/srv/charts")) == Source(folder=Path("/srv/charts"))
    assert source_of(settings("")) == Source()
    repository = Source(repository="oci://registry.example/mooring")
    assert source_of(settings("oci://registry.example/mooring/")) == repository
    assert source_of(settings("oci://registry.example/mooring/gateway-helm")) == repository
    with pytest.raises(ChartUnusable, match=r"neither a folder nor a repository of the form oci://"):
        source_of(settings("https://registry.example/mooring"))


def test_the_chart_is_pulled_from_the_repository_by_either_spelling_of_its_version(tmp_path: Path) -> None:
    helm = helm_of(tmp_path)
    (tmp_path / "login.json").write_text("{}")
    source = source_of(settings("oci://r.example/m", EXTENSION_CHARTS_LOGIN=str(tmp_path / "login.json"), EXTENSION_CHARTS_PLAIN_HTTP=True))
    made = assemble(helm, source, router=True)
    assert made.version == "gateway-helm-1.9.1" and (made.folder / "charts" / "gateway-helm" / "Chart.yaml").is_file()
    assert [each["spec"]["group"] for each in (*made.gateway_api_crds, *made.envoy_gateway_crds)] == [
        "gateway.networking.k8s.io",
        "gateway.envoyproxy.io",
    ]
    assert [line.split()[3] for line in asked(tmp_path)] == ["v1.9.1", "1.9.1"]
    assert all(f"--plain-http --registry-config {tmp_path}/login.json" in line for line in asked(tmp_path))


def test_a_reference_that_is_not_there_is_named_with_the_registrys_words(tmp_path: Path) -> None:
    helm = helm_of(tmp_path, version="nothing")
    with pytest.raises(ChartUnusable, match=r"oci://r\.example/wrong/gateway-helm v1\.9\.1 could not be pulled: .*v1\.9\.1: not found"):
        assemble(helm, Source(repository="oci://r.example/wrong"), router=True)


def test_a_registry_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    helm = helm_of(tmp_path, version="nothing", refusal="connection refused")
    with pytest.raises(ChartUnusable, match="connection refused"):
        assemble(helm, Source(repository="oci://r.example/m"), router=True)
    assert len(asked(tmp_path)) == 1


def test_a_file_to_sign_in_with_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChartUnusable, match="There is no file /nowhere/login"):
        assemble(helm_of(tmp_path), Source(repository="oci://r.example/m", login="/nowhere/login"), router=True)
