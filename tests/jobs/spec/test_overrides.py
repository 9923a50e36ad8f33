import pytest

from jobs import spec

TEXT = """command: echo
environment: {image: python}
inputs:
  a: &shared {type: uri_folder, path: x}
  b: *shared
"""


def loaded(*overrides: str) -> spec.CommandJob:
    return spec.load(TEXT, overrides=overrides).model


def test_fields_are_set_whether_they_were_there_or_not() -> None:
    model = loaded("compute=local", "limits.timeout=60", "tags.k=v", "inputs.n=5", "resources.instance_count=2")
    assert model.compute == "local"
    assert model.limits is not None and model.limits.timeout == 60
    assert model.tags == {"k": "v"}
    assert (model.inputs or {})["n"] == 5
    assert model.instance_count == 2


def test_values_are_read_as_yaml_and_what_is_no_yaml_is_text() -> None:
    model = loaded(
        "inputs.f={path: y, mode: download}", "inputs.t=a: b: c", "inputs.e=", "inputs.q='5'", "inputs.eq=a=b"
    )
    assert model.data_inputs["f"].mode == "download"
    assert {name: model.literal_inputs[name] for name in ("t", "e", "q", "eq")} == {
        "t": "a: b: c",
        "e": "",
        "q": "5",
        "eq": "a=b",
    }


def test_setting_one_of_two_aliases_leaves_the_other() -> None:
    inputs = loaded("inputs.a.path=changed").data_inputs
    assert (inputs["a"].path, inputs["b"].path) == ("changed", "x")


def test_names_with_dots_are_quoted() -> None:
    assert loaded('tags."a.b"=1').tags == {"a.b": "1"}


def test_a_field_is_emptied_with_null() -> None:
    assert loaded("inputs=null").inputs is None


@pytest.mark.parametrize("override", ["compute", "=x", "a..b=1", "command.x=1", "inputs.a.path.deep=1", "a[0]=1", ""])
def test_an_override_that_sets_nothing_is_refused(override: str) -> None:
    with pytest.raises(spec.SpecError) as error:
        loaded(override)
    assert error.value.problem_id == "spec-override-not-usable"


def test_what_was_set_wrongly_points_to_no_line() -> None:
    with pytest.raises(spec.SpecError) as error:
        loaded("limits.timeout=soon")
    issue = error.value.issues[0]
    assert (issue.problem_id, issue.path, issue.line) == ("spec-value-wrong-type", "limits.timeout", None)
