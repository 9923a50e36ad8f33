"""The YAML of endpoints and deployments, as the original's users have it."""

from __future__ import annotations

import pytest

from endpoints import spec

ENDPOINT = "$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineEndpoint.schema.json\nname: my-endpoint\n"
DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
name: blue
type: kubernetes
endpoint_name: my-endpoint
model: {path: ../model-1/model/}
code_configuration: {code: ../model-1/onlinescoring/, scoring_script: score.py}
environment: {conda_file: ../model-1/environment/conda.yaml, image: "registry/azureml/base:latest"}
request_settings: {request_timeout_ms: 3000, max_queue_wait_ms: 3000}
resources: {requests: {cpu: "0.1", memory: "0.1Gi"}, limits: {cpu: "0.2", memory: "200Mi"}}
instance_count: 1
scale_settings: {type: default}
"""


def refused(load: object, text: str, *overrides: str) -> list[tuple[str, int | None]]:
    with pytest.raises(spec.SpecError) as error:
        load(text, overrides=overrides)  # type: ignore[operator]
    return [(issue.problem_id, issue.line) for issue in error.value.issues]


def test_the_originals_kubernetes_yaml_is_taken_as_it_is() -> None:
    endpoint = spec.load_endpoint(f"{ENDPOINT}compute: azureml:inferencecompute\nauth_mode: Key\ntags: {{tag1: v}}\n").model
    assert (endpoint.compute_name, endpoint.auth_mode, endpoint.tags) == ("inferencecompute", "key", {"tag1": "v"})
    loaded = spec.load_deployment(DEPLOYMENT)
    assert [(local.field, local.path) for local in loaded.local_paths] == [
        ("model.path", "../model-1/model"), ("code_configuration.code", "../model-1/onlinescoring")
    ]  # fmt: skip
    assert loaded.needs == {"environment-conda"} and not loaded.warnings
    assert isinstance(loaded.model.model, spec.InlineModel) and loaded.model.model.base_name == "model"
    assert loaded.model.request_settings and loaded.model.request_settings.max_concurrent_requests_per_instance == 1


def test_what_has_no_effect_is_said() -> None:
    more = "app_insights_enabled: true\ndata_collector: {sampling_rate: 1}\n"
    warnings = spec.load_deployment(DEPLOYMENT + more).warnings
    assert [warning.path for warning in warnings] == ["app_insights_enabled", "data_collector"]


def test_automatic_scaling_is_kept_and_said_to_do_nothing() -> None:
    text = DEPLOYMENT.replace("instance_count: 1\n", "").replace(
        "{type: default}", "{type: target_utilization, min_instances: 2, max_instances: 5}"
    )
    loaded = spec.load_deployment(text)
    assert loaded.model.count == 2
    assert "Nothing scales by itself yet: 2 instances run" in loaded.warnings[0].text


@pytest.mark.parametrize("mode", ["aml_token", "aad_token"])
def test_another_way_in_than_keys_is_refused_at_its_line(mode: str) -> None:
    assert refused(spec.load_endpoint, f"{ENDPOINT}auth_mode: {mode}\n") == [("spec-value-not-allowed", 3)]


@pytest.mark.parametrize("name", ["ab", "1abc", "a--b", "abc-", "a_b_c", "a" * 33])
def test_names_are_those_that_the_original_allows(name: str) -> None:
    assert refused(spec.load_endpoint, f"name: {name}\n") == [("spec-name-not-usable", 1)]


def test_percents_that_make_no_whole_are_refused() -> None:
    assert refused(spec.load_endpoint, f"{ENDPOINT}traffic: {{blue: 60, green: 60}}\n") == [("spec-value-not-allowed", 3)]
    assert refused(spec.load_endpoint, f"{ENDPOINT}mirror_traffic: {{one: 10, two: 10}}\n") == [("spec-value-not-allowed", 3)]


def test_an_unknown_field_is_refused_with_its_place_and_what_was_meant() -> None:
    with pytest.raises(spec.SpecError) as error:
        spec.load_deployment(DEPLOYMENT + "instance_counts: 2\n")
    assert (error.value.issues[0].problem_id, error.value.issues[0].line) == ("spec-field-unknown", 13)
    assert error.value.issues[0].todo == "Did you mean `instance_count`?"


def test_what_has_nothing_to_run_is_refused() -> None:
    text = "name: blue\nmodel: {path: ./m}\nenvironment: {image: 'registry/x:1'}\n"
    assert refused(spec.load_deployment, text) == [("spec-field-missing", 1)]
    routes = "environment: {image: 'registry/x:1', inference_config: {scoring_route: {path: /p, port: 80}}}\n"
    assert spec.load_deployment(text.replace("environment: {image: 'registry/x:1'}\n", routes)).model.inference_config


def test_another_kind_of_yaml_is_told_apart_by_its_schema() -> None:
    assert refused(spec.load_deployment, f"{ENDPOINT}environment: {{image: x}}\n")[0][0] == "spec-kind-not-supported"
    assert spec.load_deployment("name: blue\nenvironment: {image: x}\nmodel: azureml:m:1\n").model.name == "blue"


def test_a_model_is_registered_or_lies_beside_the_yaml() -> None:
    for wrong in ("./folder", "azureml://datastores/x/paths/y", "https://example.com/m"):
        assert (
            refused(spec.load_deployment, f"name: blue\nenvironment: {{image: x}}\nmodel: {wrong}\n")[0][0] == "spec-reference-not-usable"
        )


@pytest.mark.parametrize("path", ["score", r"/\9", r"/a\1b", "/a b", '/"', "/{x}", "/a?b=c", "/a#b", "/%zz", "/" + "a" * 1024])
def test_a_route_that_is_no_path_is_refused_before_any_router_sees_it(path: str) -> None:
    text = (
        DEPLOYMENT.split("model:")[0]
        + f"environment: {{image: 'r/x:1', inference_config: {{scoring_route: {{path: '{path}', port: 80}}}}}}\n"
    )
    assert [id for id, _ in refused(spec.load_deployment, text)] == ["spec-value-not-allowed"]


@pytest.mark.parametrize("path", ["/", "/score", "/v1/models/x:predict", "/a%20b/c;d=1", "/~me/(x)*"])
def test_a_path_of_an_own_container_is_taken_as_it_is(path: str) -> None:
    text = (
        DEPLOYMENT.split("model:")[0]
        + f"environment: {{image: 'r/x:1', inference_config: {{scoring_route: {{path: '{path}', port: 80}}}}}}\n"
    )
    config = spec.load_deployment(text).model.inference_config
    assert config is not None and config.scoring_route is not None and config.scoring_route.path == path
