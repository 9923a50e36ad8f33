"""What installing the extension takes: asked for beforehand, and in the manifest for those who want to grant it."""

import yaml

from compute import manifests
from compute.extension import checking
from compute.extension.wanted import Wanted
from compute.kube.client import KubeClient
from compute.permissions import EXTENSION_NEEDS, ROUTER_NEEDS
from tests.fakekube import FakeKube


def granted(text: str, name: str) -> set[tuple[str, str, str]]:
    documents = [each for each in yaml.safe_load_all(text) if each["metadata"]["name"] == name and "rules" in each]
    rules = [rule for each in documents for rule in each["rules"]]
    return {(group, kind, verb) for rule in rules for group in rule["apiGroups"] for kind in rule["resources"] for verb in rule["verbs"]}


def test_the_manifest_grants_what_is_asked_for_and_only_when_wanted() -> None:
    asked = {(need.kind.group, need.resource, verb) for need in (*EXTENSION_NEEDS, *ROUTER_NEEDS) for verb in need.verbs}
    assert granted(manifests.least_privilege(["team"], extension=True), "mooring-extend") == asked
    assert granted(manifests.least_privilege(["team"]), "mooring-extend") == set()


def test_every_rule_of_it_has_its_reason() -> None:
    lines = manifests.least_privilege([], extension=True).splitlines()
    rules = [index for index, line in enumerate(lines) if line.startswith("- apiGroups")]
    assert rules and all(lines[index - 1].startswith("# ") for index in rules)


def test_what_is_missing_is_told_beforehand(fakekube: FakeKube) -> None:
    with KubeClient(fakekube.connection()) as client:
        assert checking._rights(client, Wanted(enable_training=True, enable_inference=True)) == []
