"""The extension installed, and an endpoint run, by an identity with the generated rights and no others."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from compute.extension.envoy import router_pods, stats_of
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import Connection, connection, render_kubeconfig
from compute.kube.errors import Forbidden
from compute.router import NAMESPACE
from endpoints.figures.counting import QUERY
from tests.cluster.extension import clear_extension, ensured
from tests.cluster.serving import ENDPOINT, SCRIPT, Caller, deploy, routed, until
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

KINDS = {kind.name: kind for kind in kinds.BUILT_IN}
# What may be there already, with marks of its own, and stays.
SHARED = ("Namespace", "CustomResourceDefinition")


@pytest.fixture(scope="module")
def limited(studio: Studio, kube: KubeClient) -> Iterator[Connection]:
    """Have the studio of all tests use its cluster by the identity of its own manifest, for these tests."""
    documents = list(yaml.safe_load_all(studio.client.clusters.manifest(studio.cluster, extension=True)))
    fresh = [each for each in documents if each["kind"] not in SHARED or kube.find(KINDS[each["kind"]], each["metadata"]["name"]) is None]
    for document in fresh:
        kube.apply(KINDS[document["kind"]], document, document["metadata"].get("namespace"), force=True)
    admin = connection(studio.kubeconfig)
    data = until(lambda: kube.get(kinds.SECRET, "mooring-token", NAMESPACE).get("data", {}).get("token"))
    given = Connection(server=admin.server, ca_pem=admin.ca_pem, token=base64.b64decode(data).decode(), context="mooring")
    studio.client.clusters.replace_credentials(studio.cluster, kubeconfig=render_kubeconfig(given))
    ready(studio)
    yield given
    studio.client.clusters.replace_credentials(studio.cluster, kubeconfig=studio.kubeconfig)
    ready(studio)
    for document in reversed([each for each in fresh if each["kind"] not in SHARED]):
        kube.delete(KINDS[document["kind"]], document["metadata"]["name"], document["metadata"].get("namespace"))


def ready(studio: Studio) -> None:
    studio.until(lambda: studio.client.clusters.get(studio.cluster).status == "ready", seconds=120, what="the cluster to be ready")
    studio.until(lambda: studio.client.computes.get(studio.compute).status == "ready", seconds=60, what="the compute to be ready")


def test_it_installs_serves_rotates_and_reads_figures_with_no_other_rights(studio: Studio, limited: Connection, tmp_path: Path) -> None:
    with KubeClient(limited) as client, pytest.raises(Forbidden):
        client.list(kinds.SECRET, "kube-system")
    clear_extension(studio, tmp_path)
    call = Caller(ensured(studio, tmp_path))
    for name in ("weights", "onlinescoring"):
        (tmp_path / name).mkdir()
    (tmp_path / "weights" / "says.json").write_text('{"word": "little"}')
    (tmp_path / "onlinescoring" / "score.py").write_text(SCRIPT)
    studio.client.endpoints.create_from_text(ENDPOINT.format(name="limited"))
    try:
        deploy(studio, tmp_path, "blue", endpoint="limited", all_traffic=True)
        routed(studio, "limited")
        key = studio.client.endpoints.keys("limited")["primaryKey"]
        assert until(lambda: call("limited", key).status_code == 200)
        assert call("limited", key).json()["says"] == "little" and call("limited").status_code == 401
        assert b"POST /score 200" in studio.client.deployments.logs("blue", endpoint="limited", lines=20)
        studio.client.endpoints.regenerate_key("limited", "primary")
        routed(studio, "limited")
        assert until(lambda: call("limited", key).status_code == 401)
        with KubeClient(limited) as client:
            counted = [stats_of(client, pod, QUERY) for pod in router_pods(client)]
        whole = "".join(text or "" for text in counted)
        # Every rule that leads to a deployment shares its Service's cluster; what lacks a key is counted for the listener.
        assert f'envoy_cluster_upstream_rq{{envoy_response_code="200",envoy_cluster_name="service/{studio.namespace}/md-' in whole
        assert "envoy_http_api_key_auth_unauthorized{" in whole and '"httproute/' not in whole
    finally:
        studio.client.endpoints.delete("limited")
        assert studio.client.endpoints.wait("limited", timeout_seconds=120) is None
        call.http.close()
