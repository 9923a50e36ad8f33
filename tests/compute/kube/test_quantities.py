"""Quantities are exact, and what is written is read again."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.kube import quantities
from compute.kube.quantities import QuantityRefused, display, format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("700m", Fraction(7, 10)),
        ("1500Mi", Fraction(1500 * 1024**2)),
        ("2e3", Fraction(2000)),
        ("1E3", Fraction(1000)),
        ("1E", Fraction(10**18)),
        ("1k", Fraction(1000)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
        ("+1.5Gi", Fraction(3 * 1024**3, 2)),
        ("-1", Fraction(-1)),
        ("100n", Fraction(1, 10**7)),
        ("1e-3", Fraction(1, 1000)),
        (2, Fraction(2)),
        (0.1, Fraction(1, 10)),
    ],
)
def test_it_reads_every_form_exactly(text: str | float, value: Fraction) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 Gi",
        "Gi",
        "1gi",
        "1K",
        "1kk",
        "--1",
        "1e",
        "0x10",
        "1_000",
        "\u0661",
        "nan",
        "1e99999",
        True,
        None,
        "9" * 65,
    ],
)
def test_it_refuses_what_is_no_quantity(text: object) -> None:
    with pytest.raises(QuantityRefused):
        parse_quantity(text)  # type: ignore[arg-type]


@given(st.integers(-(10**24), 10**24).map(lambda nanos: Fraction(nanos, 10**9)), st.booleans())
@settings(deadline=None)
def test_what_it_writes_it_reads_again(value: Fraction, binary: bool) -> None:
    assert parse_quantity(format_quantity(value, binary=binary)) == value


@given(st.fractions(min_value=-(10**12), max_value=10**12))
@settings(deadline=None)
def test_finer_than_a_nano_is_rounded_away_from_zero(value: Fraction) -> None:
    written = parse_quantity(format_quantity(value))
    assert abs(written) >= abs(value)
    assert abs(written - value) < Fraction(1, 10**9)


@given(st.text(max_size=12))
@settings(deadline=None)
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    try:
        assert isinstance(parse_quantity(text), Fraction)
    except QuantityRefused as refused:
        assert refused.text == text


@pytest.mark.parametrize(
    ("value", "binary", "text"),
    [
        ("1024Mi", True, "1Gi"),
        ("0.5", False, "500m"),
        ("1000", False, "1k"),
        ("1500Mi", True, "1500Mi"),
        ("0", True, "0"),
    ],
)
def test_it_writes_the_shortest_form(value: str, binary: bool, text: str) -> None:
    assert format_quantity(parse_quantity(value), binary=binary) == text


@pytest.mark.parametrize(
    ("resource", "value", "text"),
    [
        ("memory", "16Gi", "16 GiB"),
        ("memory", "1500Mi", "1.46 GiB"),
        ("memory", "0", "0 B"),
        ("cpu", "4", "4 CPU"),
        ("cpu", "700m", "0.7 CPU"),
        ("requests.cpu", "1500m", "1.5 CPU"),
        ("nvidia.com/gpu", "2", "2 GPU"),
        ("nvidia.com/mig-1g.5gb", "1", "1 mig-1g.5gb"),
        ("pods", "1", "1 pod"),
        ("pods", "110", "110 pods"),
        ("example.com/fpga", "1", "1 example.com/fpga"),
    ],
)
def test_it_shows_what_people_read(resource: str, value: str, text: str) -> None:
    assert display(resource, parse_quantity(value)) == text


@pytest.mark.parametrize(
    ("resource", "is_one"),
    [
        ("nvidia.com/gpu", True),
        ("amd.com/gpu", True),
        ("gpu.intel.com/i915", True),
        ("nvidia.com/mig-1g.5gb", True),
        ("nvidia.com/gpu.shared", True),
        ("cpu", False),
        ("example.com/fpga", False),
        ("gpu.intel.com/memory.max", False),
    ],
)
def test_it_knows_gpus(resource: str, is_one: bool) -> None:
    assert quantities.is_gpu(resource) is is_one


def test_it_adds_name_by_name() -> None:
    one = quantities.parse_resources({"cpu": "500m", "memory": "1Gi"})
    assert quantities.add(one, {"cpu": Fraction(1)}) == {"cpu": Fraction(3, 2), "memory": Fraction(1024**3)}
