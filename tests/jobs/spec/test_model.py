"""The YAML of models: the original's own is taken, everything wrong with one stands at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import spec
from jobs.spec import model
from tests.jobs.spec.test_acceptance import SNAPSHOT, Snapshot


def load(text: str | bytes, **more: object) -> spec.Loaded[model.ModelSpec]:
    return spec.load_as(model.KIND, text, advice=model.ADVICE, **more)  # type: ignore[arg-type]


def test_fields_keep_what_was_written() -> None:
    said = load("name: flowers\nversion: 3\npath: ./model/\ntype: MLFLOW_MODEL\ntags: {depth: 3, deep: true}\n").model
    assert (said.version, said.type, said.tags, said.is_local) == ("3", "mlflow_model", {"depth": "3", "deep": "True"}, True)


def test_what_is_set_over_it_wins() -> None:
    assert load("name: a\npath: ./x\n", overrides=["name=b", "path=runs:/job/model"]).model.is_local is False


def test_what_the_original_writes_of_a_registered_model_is_left_out_with_a_warning() -> None:
    loaded = load("id: azureml:/x\nname: a\npath: ./x\ncreation_context: {created_by: me}\n")
    assert [warning.path for warning in loaded.warnings] == ["id", "creation_context"]


def test_a_yaml_that_says_it_is_something_else_is_refused() -> None:
    with pytest.raises(spec.SpecError) as caught:
        load("$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\nname: a\npath: ./x\n")
    assert caught.value.problem_id == "spec-kind-not-supported"


@pytest.mark.skipif(not SNAPSHOT, reason="set MOORING_AZML_EXAMPLES to a clone of Azure/azureml-examples")
def test_the_public_examples_are_read_as_they_are() -> None:
    snapshot = Snapshot(Path(SNAPSHOT))
    found = ("cli/assets/model/local-file.yml", "cli/assets/model/local-mlflow.yml")
    for path in found:
        assert load(snapshot.read(path)).model.is_local
