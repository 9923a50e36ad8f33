"""Everything that is wrong is said with its place and a next step."""

import pytest

from jobs import spec
from jobs.spec.problems import PROBLEMS

BASE = "command: echo\nenvironment: {image: python}\n"


def refused(text: str | bytes, **more: object) -> list[tuple[str, str, int | None, int | None]]:
    with pytest.raises(spec.SpecError) as error:
        spec.load(text, **more)  # type: ignore[arg-type]
    for issue in error.value.issues:
        assert issue.text and issue.todo and issue.title
    return [(issue.problem_id, issue.path, issue.line, issue.column) for issue in error.value.issues]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ("spec-empty", "", None, None)),
        ("# only a comment\n", ("spec-empty", "", None, None)),
        ("---\n", ("spec-empty", "", None, None)),
        ("- a\n", ("spec-not-a-mapping", "", 1, 1)),
        ("hello", ("spec-not-a-mapping", "", 1, 1)),
        ("a: 1\n---\nb: 2\n", ("spec-several-documents", "", 2, 1)),
        ("a: 1\nb: 2\na: 3\n", ("spec-duplicate-key", "", 3, 1)),
        ("inputs:\n  a: 1\n  a: 2\n", ("spec-duplicate-key", "inputs", 3, 3)),
        ("a:\n\tb: 1\n", ("spec-not-yaml", "", 2, 1)),
        ("a: b: c\n", ("spec-not-yaml", "", 1, 5)),
        ("a: !!python/object/apply:os.system ['id']\n", ("spec-tag-not-allowed", "", 1, 4)),
        ("a: !secret x\n", ("spec-tag-not-allowed", "", 1, 4)),
        ("a: !!binary aGk=\n", ("spec-tag-not-allowed", "", 1, 4)),
        ("a: !!int hello\n", ("spec-not-yaml", "", 1, 4)),
        ("a: *nowhere\n", ("spec-alias-not-usable", "", 1, 4)),
        ("a: &a [*a]\n", ("spec-alias-not-usable", "", 1, 8)),
        ("? [a]\n: 1\n", ("spec-not-yaml", "", 1, 3)),
        ("<<: 1\na: 2\n", ("spec-not-yaml", "", 1, 1)),
        (b"a: \xff\n", ("spec-not-yaml", "", 1, 4)),
        ("a: b\nc: \x00\n", ("spec-not-yaml", "", 2, 4)),
        ("a: " + "[" * 60 + "]" * 60, ("spec-too-deep", "", 1, 54)),
        ("a: x" + " " * 1024 * 1024, ("spec-too-large", "", None, None)),
        ("name: only\n", ("spec-kind-unknown", "", 1, 1)),
        ("type: sweep\ntrial: {}\n", ("spec-kind-not-supported", "type", 1, 7)),
    ],
)
def test_a_text_that_is_no_job_is_refused_where_it_goes_wrong(
    text: str | bytes, found: tuple[str, str, int | None, int | None]
) -> None:
    assert refused(text) == [found]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("comand: x\n", ("spec-field-unknown", "comand", 3, 1)),
        ("name: a/b\n", ("spec-name-not-usable", "name", 3, 7)),
        ("name: -a\n", ("spec-name-not-usable", "name", 3, 7)),
        (f"name: {'a' * 256}\n", ("spec-name-not-usable", "name", 3, 7)),
        ("experiment_name: a b\n", ("spec-name-not-usable", "experiment_name", 3, 18)),
        ("limits: {timeout: soon}\n", ("spec-value-wrong-type", "limits.timeout", 3, 19)),
        ("limits:\n  timeout: 0\n", ("spec-value-not-allowed", "limits.timeout", 4, 12)),
        ("retry_settings: {max_retries: 21}\n", ("spec-value-not-allowed", "retry_settings.max_retries", 3, 31)),
        ("retry_settings: {max_retries: -1}\n", ("spec-value-not-allowed", "retry_settings.max_retries", 3, 31)),
        ("retry_settings: {max_retries: yes}\n", ("spec-value-wrong-type", "retry_settings.max_retries", 3, 31)),
        ("retry_settings: {timeout: 5}\n", ("spec-field-unknown", "retry_settings.timeout", 3, 18)),
        ("limits: {timeout: yes}\n", ("spec-value-wrong-type", "limits.timeout", 3, 19)),
        ("limits: {timout: 5}\n", ("spec-field-unknown", "limits.timout", 3, 10)),
        ("inputs: [1]\n", ("spec-value-wrong-type", "inputs", 3, 9)),
        ("inputs: {a: [1]}\n", ("spec-value-wrong-type", "inputs.a", 3, 13)),
        ("inputs: {a-b: 1}\n", ("spec-name-not-usable", "inputs", 3, 9)),
        ("inputs:\n  a:\n    path: x\n    mode: mounted\n", ("spec-value-not-allowed", "inputs.a.mode", 6, 11)),
        ("inputs:\n  a: {type: uri_folder}\n", ("spec-field-missing", "inputs.a.path", 4, 6)),
        ("inputs:\n  a: {path: x, mode: eval_mount}\n", ("spec-value-not-allowed", "inputs.a", 4, 6)),
        ("inputs: {a: {path: /etc}}\n", ("spec-path-outside", "inputs.a.path", 3, 20)),
        ("inputs: {a: {path: 'C:\\x'}}\n", ("spec-path-outside", "inputs.a.path", 3, 20)),
        ("inputs: {a: {path: 's3://b/x'}}\n", ("spec-reference-not-usable", "inputs.a.path", 3, 20)),
        ("inputs: {a: {path: 'azureml:name'}}\n", ("spec-reference-not-usable", "inputs.a.path", 3, 20)),
        ("inputs: {a: {path: 'azureml://elsewhere'}}\n", ("spec-reference-not-usable", "inputs.a.path", 3, 20)),
        ("outputs: {a: {path: ./here}}\n", ("spec-reference-not-usable", "outputs.a.path", 3, 21)),
        ("outputs: {a: {mode: ro_mount}}\n", ("spec-value-not-allowed", "outputs.a.mode", 3, 21)),
        ("code: git+https://example.org/x\n", ("spec-code-remote", "code", 3, 7)),
        ("code: https://example.org/x.zip\n", ("spec-code-remote", "code", 3, 7)),
        ("code: /srv/x\n", ("spec-path-outside", "code", 3, 7)),
        ("compute: < your compute >\n", ("spec-reference-not-usable", "compute", 3, 10)),
        ("resources: {instance_count: 0}\n", ("spec-value-not-allowed", "resources.instance_count", 3, 29)),
        ("resources: {shm_size: lots}\n", ("spec-value-not-allowed", "resources.shm_size", 3, 23)),
        ("distribution: {type: smoke}\n", ("spec-value-not-allowed", "distribution", 3, 15)),
        ("distribution: {type: mpi, workers: 1}\n", ("spec-field-unknown", "distribution.workers", 3, 27)),
        ("services: {a: {type: telnet}}\n", ("spec-value-not-allowed", "services.a.type", 3, 22)),
        ("services: {a: {type: ssh, log_dir: x}}\n", ("spec-field-unknown", "services.a", 3, 12)),
        ("environment_variables: {A B: 1}\n", ("spec-name-not-usable", "environment_variables", 3, 24)),
        ("environment_variables: {A: {b: 1}}\n", ("spec-value-wrong-type", "environment_variables.A", 3, 28)),
        ("queue_settings: {priority: urgent}\n", ("spec-value-not-allowed", "queue_settings.priority", 3, 28)),
        ("identity: {type: nobody}\n", ("spec-value-not-allowed", "identity.type", 3, 18)),
        ("tags: {a: [1]}\n", ("spec-value-wrong-type", "tags.a", 3, 11)),
    ],
)
def test_a_field_that_is_wrong_is_refused_with_its_place(more: str, found: tuple[str, str, int, int]) -> None:
    assert refused(BASE + more) == [found]


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ("python:3.12", "spec-reference-not-usable"),
        ("< your environment >", "spec-reference-not-usable"),
        ("file:./env.yml", "spec-reference-not-usable"),
        ("{}", "spec-field-missing"),
        ("{image: 'Not An Image'}", "spec-reference-not-usable"),
        ("{image: x, build: {path: y}}", "spec-value-not-allowed"),
        ("{build: {path: y}, conda_file: z}", "spec-field-missing"),
        ("{image: x, dependencies: [pandas]}", "spec-field-unknown"),
        ("{image: x, conda_file: [1]}", "spec-value-wrong-type"),
        ("{image: x, os_type: Windows}", "spec-value-not-allowed"),
        ("azureml://registries/r/models/m/versions/1", "spec-reference-not-usable"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(environment: str, found: str) -> None:
    assert [problem_id for problem_id, *_ in refused(f"command: echo\nenvironment: {environment}\n")] == [found]


@pytest.mark.parametrize(
    "environment",
    [
        "azureml:name",
        "azureml:name:1.0",
        "azureml:name@latest",
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/environments/e/versions/1",
        "{image: 'localhost:5000/a/b_c:1'}",
        "{image: 'python@sha256:" + "0" * 64 + "'}",
        "{image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04}",
    ],
)
def test_every_way_to_name_an_environment_is_taken(environment: str) -> None:
    spec.load(f"command: echo\nenvironment: {environment}\n")


def test_everything_that_is_wrong_is_said_at_once_in_the_order_of_the_text() -> None:
    text = "name: a b\ncommand: echo ${{inputs.x}}\nlimits: {timeout: -1}\nnonsense: 1\n"
    assert [(problem_id, line) for problem_id, _, line, _ in refused(text)] == [
        ("spec-field-missing", 1),
        ("spec-name-not-usable", 1),
        ("spec-value-not-allowed", 3),
        ("spec-field-unknown", 4),
    ]


def test_a_misspelt_field_is_answered_with_the_right_one() -> None:
    with pytest.raises(spec.SpecError) as error:
        spec.load("command: echo\nenvironmnt: {image: x}\n")
    assert any("Did you mean `environment`?" in issue.todo for issue in error.value.issues)


def test_an_unknown_input_is_found_inside_a_block_of_text() -> None:
    text = (
        "environment: {image: x}\n"
        "inputs: {rate: 1}\n"
        "command: |\n"
        "  echo ${{inputs.rate}}\n"
        "  echo ${{inputs.rte}} ${{inputs.rte}}\n"
    )
    assert refused(text) == [
        ("spec-expression-unknown", "command", 5, 8),
        ("spec-expression-unknown", "command", 5, 24),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "${{name}}",
        "${{inputs}}",
        "${{inputs.a.path}}",
        "${{search_space.a}}",
        "${{parent.inputs.a}}",
        "${{}}",
        "${{outputs.a}}",
    ],
)
def test_an_expression_that_means_nothing_in_a_command_job_is_refused(expression: str) -> None:
    text = f"environment: {{image: x}}\ninputs: {{a: 1}}\ncommand: 'echo {expression}'\n"
    assert refused(text) == [("spec-expression-unknown", "command", 3, 16)]


def test_an_expression_that_is_not_closed_is_refused() -> None:
    text = "environment: {image: x}\ninputs: {a: 1}\ncommand: 'echo ${{inputs.a}} ${{inputs.a}'\n"
    assert refused(text) == [("spec-expression-broken", "command", 3, 30)]


def test_an_input_without_a_value_is_refused_outside_an_optional_group() -> None:
    text = "environment: {image: x}\ninputs: {a: }\ncommand: echo ${{inputs.a}}\n"
    assert refused(text) == [("spec-field-missing", "command", 3, 15)]


@pytest.mark.parametrize("line", ["image: {{IMAGE}}", "image: {{IMAGE}}:1", "{{NAME}}: 1"])
def test_a_template_that_was_not_filled_in_is_told_so(line: str) -> None:
    with pytest.raises(spec.SpecError) as error:
        spec.load(f"command: echo\nenvironment:\n  {line}\n")
    assert error.value.problem_id == "spec-not-yaml"
    assert error.value.issues[0].line == 3
    assert "template" in error.value.issues[0].todo


def test_aliases_that_unfold_to_millions_are_refused_before_they_do() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 10):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    assert [problem_id for problem_id, *_ in refused(bomb)] == ["spec-too-many-values"]


def test_aliases_that_grow_deep_are_refused() -> None:
    deep = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 60))
    assert [problem_id for problem_id, *_ in refused(deep)] == ["spec-too-deep"]


def test_aliases_and_merged_fields_are_taken_in_measure() -> None:
    text = (
        "command: echo\n"
        "environment: {image: x}\n"
        "inputs:\n"
        "  a: &csv {type: uri_file, path: a.csv}\n"
        "  b: *csv\n"
        "  c: {<<: *csv, path: c.csv}\n"
    )
    inputs = spec.load(text).model.data_inputs
    assert [(given.type, given.path) for given in inputs.values()] == [
        ("uri_file", "a.csv"),
        ("uri_file", "a.csv"),
        ("uri_file", "c.csv"),
    ]


def test_dates_and_truth_values_that_are_names_stay_text() -> None:
    model = spec.load(BASE + "inputs: {on: 2020-01-01, yes: 1}\n").model
    assert model.inputs == {"on": "2020-01-01", "yes": 1}


def test_json_with_tabs_is_yaml_too() -> None:
    text = '{\n\t"command": "echo",\n\t"environment": {"image": "python"}\n}\n'
    assert spec.load(text).model.command == "echo"


def test_windows_line_ends_and_a_byte_order_mark_are_taken() -> None:
    text = b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode()
    assert spec.load(text).model.command == "echo"


def test_a_path_that_is_not_there_is_refused_when_the_folder_is_known() -> None:
    paths = spec.Paths({"src": "folder", "a.csv": "file"})
    spec.load(BASE + "code: ./src\ninputs: {a: {path: a.csv, type: uri_file}}\n", folder=paths)
    assert refused(BASE + "code: ../src\n", folder=paths) == [("spec-path-not-found", "code", 3, 7)]
    assert refused(BASE + "inputs: {a: {path: a.csv, type: uri_folder}}\n", folder=paths) == [
        ("spec-value-not-allowed", "inputs.a.path", 3, 20)
    ]
    assert refused(BASE + "environment_variables: {A: 1}\ncode: nowhere\n", folder=paths)[0][2:] == (4, 7)


def test_a_compute_that_does_not_exist_is_answered_with_the_nearest() -> None:
    known = spec.Known(computes=frozenset({"local", "gpu-cluster"}))
    with pytest.raises(spec.SpecError) as error:
        spec.load(BASE + "compute: azureml:gpu-clutser\n", known=known)
    assert error.value.issues[0].problem_id == "spec-compute-unknown"
    assert error.value.issues[0].todo == "Did you mean `gpu-cluster`?"


def test_a_long_resource_id_names_a_compute() -> None:
    computes = "Microsoft.MachineLearningServices/workspaces/w/computes/cpu"
    long = f"azureml:/subscriptions/s/resourceGroups/g/providers/{computes}"
    assert spec.load(BASE + f"compute: {long}\n").model.compute_name == "cpu"


def test_plain_values_are_held_to_the_same_rules_without_lines() -> None:
    loaded = spec.load_values({"command": "echo ${{inputs.a}}", "environment": {"image": "x"}, "inputs": {"a": 1}})
    assert spec.resolve_command(loaded.model, {}, {}) == "echo 1"
    with pytest.raises(spec.SpecError) as error:
        spec.load_values({"command": "echo", "environment": {"image": "x"}, "limits": {"timeout": 0}})
    assert [(issue.path, issue.line) for issue in error.value.issues] == [("limits.timeout", None)]


def test_an_issue_found_later_has_the_place_of_its_field() -> None:
    loaded = spec.load(BASE + "compute: local\n")
    issue = loaded.issue("spec-compute-unknown", "compute", "It is gone.", "Name another one.")
    assert (issue.line, issue.column) == (3, 10)


def test_every_problem_has_its_own_id_and_a_title() -> None:
    ids = [row[0] for row in PROBLEMS]
    assert len(ids) == len(set(ids))
    assert all(row[1] and row[4] in (413, 422) for row in PROBLEMS)
