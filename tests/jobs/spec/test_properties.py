"""What holds for every text and every job."""

import contextlib
import string
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import spec
from jobs.spec import expressions
from jobs.spec.command import literal_text
from jobs.spec.yamltext import NODES, read

TEXTS = st.text(max_size=40)
PRINTABLE = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs"), exclude_characters="\u2028\u2029\ufeff"), max_size=40
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
LITERALS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | PRINTABLE
FILES = st.fixed_dictionaries(
    {"path": st.sampled_from(["data", "a/b.csv", "../x", "https://example.org/x", "azureml:a:1", "azureml:a@latest"])},
    optional={"type": st.sampled_from(["uri_file", "uri_folder"]), "mode": st.sampled_from(["ro_mount", "download"])},
)
JOBS = st.fixed_dictionaries(
    {
        "command": st.text(
            st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\x85\u2028\u2029\ufeff$")
        ).filter(str.strip),
        "environment": st.sampled_from(["azureml:e@latest", {"image": "python:3.12"}, {"build": {"path": "ctx"}}]),
    },
    optional={
        "name": st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True),
        "display_name": PRINTABLE,
        "description": st.text(
            st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")) | st.just("\n"), max_size=60
        ),
        "tags": st.dictionaries(PRINTABLE, st.none() | PRINTABLE, max_size=3),
        "inputs": st.dictionaries(NAMES, LITERALS | FILES, max_size=4),
        "outputs": st.dictionaries(NAMES, st.none() | st.just({"type": "uri_file"}), max_size=3),
        "environment_variables": st.dictionaries(NAMES, PRINTABLE, max_size=3),
        "limits": st.fixed_dictionaries({"timeout": st.integers(1, 10**6)}),
        "resources": st.fixed_dictionaries({"instance_count": st.integers(1, 9)}, optional={"shm_size": st.just("2g")}),
    },
)


@settings(max_examples=200, deadline=None)
@given(JOBS)
def test_a_job_given_back_as_yaml_is_the_same_job(values: dict[str, object]) -> None:
    model = spec.load_values(values).model
    assert spec.load(spec.dump(model)).model == model


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_taken_or_refused_with_a_place_inside_it(text: str | bytes) -> None:
    try:
        spec.load(text)
    except spec.SpecError as error:
        lines = (text if isinstance(text, str) else text.decode("utf-8", "replace")).count("\n") + 1
        for issue in error.issues:
            assert issue.text and issue.todo
            # Other signs than the line feed end a line for YAML too, so the last line may be past the last feed.
            assert issue.line is None or 1 <= issue.line <= lines + len(text)


YAMLISH = st.text(
    st.sampled_from(list("ab:-?*&!|>%@`'\"{}[],# \n\t<~0.1"))
    | st.sampled_from(["<<: ", "&a ", "*a", "!!int ", "---\n"]),
    max_size=60,
)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "b",
                ": ",
                "- ",
                "? ",
                "*a",
                "&a ",
                "!!str ",
                "{",
                "}",
                "[",
                "]",
                ", ",
                "\n",
                "  ",
                "\t",
                "<<",
                "|",
                ">",
                "'",
                '"',
                "#",
                "---",
                "...",
                "1",
                "~",
                "%",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_signs_of_yaml_in_any_order_never_break_the_reader(text: str) -> None:
    try:
        read(text)
    except spec.SpecError as error:
        assert len(error.issues) == 1


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(string.ascii_letters + " -:#'\"", max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(string.ascii_letters, min_size=2, max_size=6).filter(lambda key: yaml.safe_load(key) == key),
        PLAIN,
        max_size=5,
    )
)
def test_it_reads_what_the_safe_loader_of_yaml_reads(values: dict[str, object]) -> None:
    text = yaml.safe_dump(values)
    found = read(text).value
    assert found == yaml.safe_load(text) or any(isinstance(key, bool) for key in str(values))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=5), st.data())
def test_values_are_put_in_as_they_are_and_never_read_again(
    values: dict[str, str], texts: list[str], data: st.DataObject
) -> None:
    texts = [text.replace("$", "") for text in texts]
    names = [data.draw(st.sampled_from(sorted(values))) for _ in texts]
    command = "".join(f"{text}${{{{inputs.{name}}}}}" for text, name in zip(texts, names, strict=True))
    expected = "".join(text + values[name] for text, name in zip(texts, names, strict=True))
    assert expressions.resolve(command, lambda reference: values[reference.name]) == expected


def test_a_value_that_looks_like_an_expression_or_a_shell_command_stays_what_it_is() -> None:
    job = spec.load_values(
        {
            "command": "run '${{inputs.a}}' $[[--b ${{inputs.b}}]]",
            "environment": {"image": "x"},
            "inputs": {"a": "${{inputs.b}} $(id)", "b": "$[[x ${{inputs.a}}]]"},
        }
    ).model
    assert spec.resolve_command(job, {}, {}) == "run '${{inputs.b}} $(id)' --b $[[x ${{inputs.a}}]]"


@settings(max_examples=200, deadline=None)
@given(TEXTS.filter(lambda text: "${{" not in text))
def test_a_text_without_expressions_is_left_alone(text: str) -> None:
    assert expressions.resolve(text, lambda reference: None) == text


def test_a_malformed_optional_group_stays_as_it_is() -> None:
    assert expressions.resolve("a $[[inputs.b]] c", lambda reference: None) == "a $[[inputs.b]] c"


@pytest.mark.parametrize(
    "sign", ["$[[", "${{", "$[[${{", "${{}}$[[", "]]", "}}", "${{inputs.a}}", "$[[${{inputs.a}}]]"]
)
def test_a_command_made_to_take_for_ever_is_read_at_once(sign: str) -> None:
    started = time.process_time()
    with contextlib.suppress(spec.SpecError):
        spec.load_values({"command": sign * (120_000 // len(sign)), "environment": {"image": "x"}})
    assert time.process_time() - started < 5


def test_a_long_list_is_refused_at_the_limit() -> None:
    assert len(read("a: [" + "1," * (NODES - 10) + "]").value["a"]) == NODES - 10
    try:
        read("a: [" + "1," * NODES + "]")
    except spec.SpecError as error:
        assert error.problem_id == "spec-too-many-values"
    else:
        raise AssertionError("not refused")


def test_literals_are_spelled_as_the_original_spells_them() -> None:
    assert [literal_text(value) for value in (True, 1, 0.1, 1e-05, "x", None)] == [
        "True",
        "1",
        "0.1",
        "1e-05",
        "x",
        None,
    ]
