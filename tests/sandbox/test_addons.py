from __future__ import annotations

import json
from typing import Any

from sandbox import addons


def _of_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def test_the_default_storage_class_is_the_local_path() -> None:
    (found,) = _of_kind(addons.local_path("image", "busybox", "/volumes"), "StorageClass")
    assert found["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"


def test_volumes_are_made_under_the_identity_that_exists() -> None:
    manifests = addons.local_path("image", "busybox:1", "/volumes")
    (account,) = _of_kind(manifests, "ServiceAccount")
    (deployment,) = _of_kind(manifests, "Deployment")
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args == ["--service-account-name", account["metadata"]["name"], "--helper-image", "busybox:1"]
    (config,) = _of_kind(manifests, "ConfigMap")
    assert json.loads(config["data"]["config.json"])["nodePathMap"][0]["paths"] == ["/volumes"]


def test_names_outside_the_cluster_are_asked_of_the_machines_resolvers() -> None:
    (config,) = _of_kind(addons.coredns("image", "10.130.128.10", ["192.0.2.53"]), "ConfigMap")
    assert "forward . 192.0.2.53" in config["data"]["Corefile"]


def test_without_a_reachable_resolver_nothing_is_forwarded() -> None:
    (config,) = _of_kind(addons.coredns("image", "10.130.128.10", []), "ConfigMap")
    assert "forward" not in config["data"]["Corefile"]


def test_every_addon_runs_inside_the_restricted_level() -> None:
    manifests = addons.coredns("a", "10.130.128.10", []) + addons.metrics_server("b") + addons.local_path("c", "d", "/v")
    for deployment in _of_kind(manifests, "Deployment"):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            assert container["securityContext"] == addons.RESTRICTED
