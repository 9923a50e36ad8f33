"""Names and labels are always valid, whatever they are made from, and do not collide."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.kube import names


@given(st.text())
@settings(deadline=None)
def test_every_text_becomes_a_valid_label_value(text: str) -> None:
    assert names.is_label_value(names.label_value(text))


@given(st.text(), st.text())
@settings(deadline=None)
def test_different_texts_become_different_label_values(one: str, two: str) -> None:
    assert (names.label_value(one) == names.label_value(two)) == (one == two)


@given(st.text())
@settings(deadline=None)
def test_a_derived_value_is_not_the_value_of_itself(text: str) -> None:
    value = names.label_value(text)
    assert (names.label_value(value) == value) == (value == text)


@pytest.mark.parametrize("text", ["", "a", "calm_otter_8f3k2j1q9z", "A.b-C_d", "x" * 63])
def test_a_valid_value_stays_as_it_is(text: str) -> None:
    assert names.label_value(text) == text


def test_a_long_value_is_cut_and_hashed() -> None:
    value = names.label_value("x" * 64)
    assert value.startswith("x" * 52 + "---")
    assert len(value) == 63


@given(st.text() | st.integers() | st.uuids(), st.sampled_from([40, 52, 63]))
@settings(deadline=None)
def test_every_identity_becomes_a_valid_object_name(identity: object, limit: int) -> None:
    name = names.object_name("mj", identity, limit=limit)
    assert names.is_dns_label(name)
    assert len(name) <= limit


@given(st.text(), st.text())
@settings(deadline=None)
def test_different_identities_become_different_names(one: str, two: str) -> None:
    assert (names.object_name("mj", one) == names.object_name("mj", two)) == (one == two)


def test_a_rows_id_stays_readable() -> None:
    assert names.object_name("mj", 17) == "mj-17"


@pytest.mark.parametrize(
    ("key", "valid"),
    [
        ("mooring.dev/id", True),
        ("id", True),
        ("/id", False),
        ("mooring.dev/", False),
        ("a b", False),
        ("a/b/c", False),
        ("MOORING.dev/id", False),
        ("x" * 64, False),
    ],
)
def test_it_knows_label_keys(key: str, valid: bool) -> None:
    assert names.is_label_key(key) is valid


@pytest.mark.parametrize(("name", "valid"), [("team", True), ("team.a", False), ("-a", False), ("", False), ("a\n", False), ("A", False)])
def test_it_knows_namespaces(name: str, valid: bool) -> None:
    assert names.is_namespace(name) is valid


def test_the_studios_labels_are_all_there() -> None:
    assert names.standard_labels("job", 7, workspace="demo", compute=3) == {
        "app.kubernetes.io/managed-by": "mooring",
        "mooring.dev/kind": "job",
        "mooring.dev/id": "7",
        "mooring.dev/workspace": "demo",
        "mooring.dev/compute": "3",
    }


def test_a_selector_cannot_be_smuggled_into() -> None:
    with pytest.raises(ValueError, match="not a label"):
        names.selector({"a": "b,c=d"})
    assert names.selector({"a": "b", "c": None}) == "a=b,c"
