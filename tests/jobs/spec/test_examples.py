"""Own YAMLs with the shapes of the original's examples."""

from pathlib import Path

import pytest

from jobs import spec
from tests.jobs.spec.folders import OnDisk

EXAMPLES = Path(__file__).with_name("examples")
NEEDS = {
    "asset": {"environment-asset", "data-asset", "model-asset"},
    "built": {"environment-build"},
    "code": set(),
    "conda": {"environment-build"},
    "conda_inline": {"environment-build"},
    "datastore": {"environment-asset", "datastore", "output-asset"},
    "distributed": {"environment-asset", "distribution.pytorch", "multi-node"},
    "folder_without_type": set(),
    "hello": set(),
    "literals": set(),
    "original_only": set(),
    "outputs": set(),
    "quirk_input_named_type": set(),
    "services": {"services"},
    "variable": set(),
    "web": {"environment-asset", "https-input", "blob-input"},
}
WARNED = {
    "conda": {"identity"},
    "distributed": {"queue_settings.job_tier"},
    "original_only": {
        "resources.docker_args",
        "resources.locations",
        "resources.max_instance_count",
        "resources.properties",
        "parent_job_name",
        "status",
    },
}


def loaded(name: str, *overrides: str) -> spec.Loaded:
    return spec.load((EXAMPLES / f"{name}.yml").read_bytes(), overrides=overrides, folder=OnDisk(EXAMPLES))


def test_every_example_is_listed_here() -> None:
    assert {file.stem for file in EXAMPLES.glob("*.yml")} == set(NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_an_example_is_taken_and_says_what_it_needs_and_what_has_no_effect(name: str) -> None:
    found = loaded(name, "compute=local")
    assert found.kind == "job.command"
    assert found.model.compute_name == "local"
    assert found.needs == NEEDS[name]
    assert {warning.path for warning in found.warnings} == WARNED.get(name, set())


@pytest.mark.parametrize("name", NEEDS)
def test_an_example_given_back_as_yaml_means_the_same(name: str) -> None:
    model = loaded(name).model
    assert spec.load(spec.dump(model), folder=OnDisk(EXAMPLES)).model == model


def test_literals_are_put_in_as_the_original_spells_them() -> None:
    command = spec.resolve_command(loaded("literals").model, {}, {})
    assert command == "echo Port of Rotterdam 24\necho 0.1 True \n"


def test_an_optional_group_appears_when_its_input_has_a_value() -> None:
    command = spec.resolve_command(loaded("literals", "inputs.limit=9").model, {}, {})
    assert command.endswith("0.1 True --limit 9\n")


def test_environment_variables_are_text_and_an_empty_one_is_empty() -> None:
    variables = loaded("variable").model.environment_variables
    assert variables == {"HARBOUR": "Hamburg", "BERTHS": "320", "OPEN": "True", "NOTE": ""}


def test_an_input_may_be_called_type() -> None:
    command = spec.resolve_command(loaded("quirk_input_named_type").model, {}, {})
    assert command == "curl -sS https://example.org/tides.csv | wc -l"


def test_paths_of_inputs_and_outputs_stand_in_the_command() -> None:
    assert "/outputs/report/report.txt" in spec.resolve_command(
        loaded("outputs").model, {}, {"report": "/outputs/report", "table": "/outputs/table"}
    )
    with pytest.raises(KeyError):
        spec.resolve_command(loaded("outputs").model, {}, {})


def test_a_file_without_a_type_is_taken_for_a_file() -> None:
    inputs = loaded("folder_without_type").model.data_inputs
    assert (inputs["all"].type, inputs["one"].type) == ("uri_folder", "uri_file")


def test_local_paths_are_listed_in_one_spelling() -> None:
    assert {(path.field, path.path) for path in loaded("code").local_paths} == {
        ("code", "words/src"),
        ("inputs.words.path", "words/words.txt"),
    }
    assert [(path.field, path.path) for path in loaded("built").local_paths] == [
        ("code", "."),
        ("environment.build.path", "built/context"),
    ]


def test_words_of_any_case_are_taken() -> None:
    assert loaded("web").model.data_inputs["charts"].mode == "ro_mount"
    distribution = loaded("distributed").model.distribution
    assert distribution is not None and distribution.type == "pytorch"


def test_shared_memory_is_known_in_bytes() -> None:
    resources = loaded("distributed").model.resources
    assert resources is not None and resources.shm_bytes == 8 * 1024**3


def test_numbers_in_tags_and_an_empty_tag_are_taken() -> None:
    assert loaded("code").model.tags == {"sea": "north", "year": "2024", "draft": None}


def test_a_command_finds_its_job_and_its_files_in_its_environment() -> None:
    variables = spec.environment(
        loaded("variable").model,
        name="calm_otter",
        workspace="demo",
        experiment="tides",
        input_paths={"a": "/in/a"},
        output_paths={"b": "/out/b"},
    )
    assert variables["AZUREML_RUN_ID"] == "calm_otter"
    assert (variables["AZURE_ML_INPUT_a"], variables["AZURE_ML_OUTPUT_b"]) == ("/in/a", "/out/b")
    assert variables["HARBOUR"] == "Hamburg"
