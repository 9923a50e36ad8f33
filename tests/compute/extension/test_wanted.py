"""Settings under the original's names: read from mappings and pairs, and everything wrong told at once."""

from typing import Any

import pytest

from compute.extension.values import chart_values
from compute.extension.wanted import Wanted, flattened, merged, read, read_pairs

WHOLE = {
    "enableTraining": True,
    "enableInference": "True",
    "inferenceRouterServiceType": "NodePort",
    "inferenceRouterHA": "false",
    "sslCname": "ML.example.com",
    "nodeSelector": {"pool": "ml"},
    "workLoadToleration": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
}


def fields(settings: dict[str, Any]) -> set[str]:
    return {wrong.field for wrong in read(settings)[1]}


def test_settings_are_read_whatever_case_their_values_have() -> None:
    wanted, wrongs = read(WHOLE)
    assert wrongs == []
    assert wanted.service_type == "nodePort" and wanted.ssl_cname == "ml.example.com" and not wanted.highly_available
    assert read(wanted.as_settings()) == (wanted, [])


def test_pairs_as_the_original_writes_them_mean_the_same_as_a_mapping() -> None:
    pairs = [f"{key}={value}" for key, value in flattened(WHOLE).items()]
    assert "nodeSelector.pool=ml" in pairs and "workLoadToleration[0].key=spot" in pairs
    assert read(read_pairs(pairs)) == read(WHOLE)


def test_a_label_may_have_dots_in_its_key() -> None:
    assert read({**WHOLE, "nodeSelector.kubernetes.io/os": "linux"})[0].node_selector["kubernetes.io/os"] == "linux"


def test_everything_that_is_wrong_is_told_at_once_each_at_its_setting() -> None:
    settings = {
        "enableInference": "perhaps",
        "enableTraining": True,
        "inferenceRouterServiceType": "ingress",
        "sslCname": "not a name",
        "nodeSelector.": "x",
        "workLoadToleration[0].operator": "Maybe",
        "workLoadToleration[1].effect": "Never",
        "workLoadToleration[1].key": "a",
        "installVolcano": "True",
        "colour": "blue",
    }
    assert fields(settings) == {
        "enableInference", "inferenceRouterServiceType", "sslCname", "nodeSelector.", "workLoadToleration[0].operator",
        "workLoadToleration[1].effect", "installVolcano", "colour",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "enableTraining"),
        ({"enableInference": True, "allowInsecureConnections": True}, "inferenceRouterServiceType"),
        ({"enableInference": True, "inferenceRouterServiceType": "nodePort"}, "sslCname"),
        ({"enableTraining": True, "enableInference": True, "inferenceRouterServiceType": "nodePort", "allowInsecureConnections": True,
          "sslSecret": "tls"}, "sslCname"),
        ({"enableTraining": True, "nodeSelector": "pool=ml"}, "nodeSelector"),
        ({"enableTraining": True, "workLoadToleration[0].value": "x"}, "workLoadToleration[0].key"),
    ],
)  # fmt: skip
def test_settings_that_need_each_other_are_asked_for(settings: dict[str, Any], field: str) -> None:
    assert field in fields(settings)


def test_a_change_merges_and_an_empty_value_takes_out() -> None:
    changed = merged(WHOLE, {"inferenceRouterHA": True, "nodeSelector.pool": "", "nodeSelector.disk": "ssd"})
    wanted, wrongs = read(changed)
    assert wrongs == [] and wanted.highly_available and wanted.node_selector == {"disk": "ssd"}
    assert wanted.tolerations == [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}]


def test_the_charts_values_follow_from_the_settings() -> None:
    values = chart_values(read(WHOLE)[0], {"envoy-gateway": "registry:5000/eg:1", "envoy": "registry:5000/envoy:1"}, studio="abc")
    assert values["router"] == {
        "enabled": True, "highlyAvailable": False, "serviceType": "NodePort", "image": "registry:5000/envoy:1",
        "tls": {"enabled": True, "secret": "mooring-router-tls"}, "http": False,
    }  # fmt: skip
    assert values["global"]["images"]["envoyGateway"]["image"] == "registry:5000/eg:1"
    placed = {"nodeSelector": {"pool": "ml"}, "tolerations": read(WHOLE)[0].tolerations}
    assert values["envoy-gateway"]["deployment"]["pod"] == placed == values["envoy-gateway"]["certgen"]["job"]


def test_plain_http_is_a_listener_only_where_it_is_allowed() -> None:
    insecure = Wanted(enable_inference=True, allow_insecure=True, service_type="nodePort")
    assert (insecure.has_http, insecure.has_tls) == (True, False)
    assert chart_values(insecure, {}, studio="abc")["router"]["http"]
    assert "global" not in chart_values(insecure, {}, studio="abc")
