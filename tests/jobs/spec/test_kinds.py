import pytest

from jobs import spec

SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"command": "x"}, "job.command"),
        ({"$schema": SCHEMA.format("commandJob")}, "job.command"),
        ({"$schema": SCHEMA.format("commandJob"), "type": "pipeline"}, "job.pipeline"),
        ({"$schema": SCHEMA.format("commandComponent"), "type": "command", "command": "x"}, "component"),
        ({"type": "sweep"}, "job.sweep"),
        ({"trial": {}, "search_space": {}}, "job.sweep"),
        ({"jobs": {}}, "job.pipeline"),
        ({"type": "spark"}, "job.spark"),
        ({"create_job": {}, "trigger": {}, "name": "x"}, "schedule"),
        ({"$schema": SCHEMA.format("schedule")}, "schedule"),
        ({"$schema": SCHEMA.format("kubernetesOnlineEndpoint")}, "online.endpoint"),
        ({"$schema": SCHEMA.format("managedOnlineDeployment")}, "online.deployment"),
        ({"name": "e", "auth_mode": "key"}, "online.endpoint"),
        ({"$schema": SCHEMA.format("batchEndpoint")}, "batch.endpoint"),
        ({"$schema": SCHEMA.format("modelBatchDeployment")}, "batch.deployment"),
        ({"$schema": SCHEMA.format("pipelineComponentBatchDeployment")}, "batch.deployment"),
        ({"$schema": SCHEMA.format("environment")}, "asset.environment"),
        ({"name": "e", "image": "x"}, "asset.environment"),
        ({"name": "d", "type": "uri_file", "path": "x"}, "asset.data"),
        ({"name": "m", "type": "mlflow_model", "path": "x"}, "asset.model"),
        ({"$schema": SCHEMA.format("model")}, "asset.model"),
        ({"$schema": SCHEMA.format("kubernetesCompute"), "type": "kubernetes"}, "compute"),
        ({"name": "x"}, None),
    ],
)
def test_the_kind_is_told_by_schema_type_or_shape(fields: dict[str, object], kind: str | None) -> None:
    assert spec.kind_of(fields) == kind


def test_a_kind_that_comes_later_is_refused_by_its_name() -> None:
    with pytest.raises(spec.SpecError) as error:
        spec.load("$schema: https://x/scheduleX.schema.json\nname: nightly\n")
    issue = error.value.issues[0]
    assert issue.problem_id == "spec-kind-not-supported"
    assert issue.text == "This describes a schedule (schedule), which cannot be submitted here yet."
    assert (issue.path, issue.line) == ("$schema", 1)


def test_the_json_schema_of_a_command_job_names_its_fields() -> None:
    schema = spec.json_schema("job.command")
    assert {"command", "environment"} == set(schema["required"])
    assert "$schema" in schema["properties"] and "schema_" not in schema["properties"]
    assert schema["additionalProperties"] is False
