"""Kubernetes quantities, exactly: ``700m``, ``1500Mi``, ``2e3``, ``1k``.

Grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
Values are ``Fraction``: sums of thousands of pods stay exact.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil

Quantities = dict[str, Fraction]

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:([KMGTPE]i)|([eE][+-]?[0-9]+)|([numkMGTPE]?))")
_MAX_EXPONENT = 30
_MAX_LENGTH = 64


class QuantityRefused(ValueError):
    """Say that a text is no Kubernetes quantity."""

    problem_id = "bad-quantity"

    def __init__(self, text: object) -> None:
        super().__init__(f"“{str(text)[:80]}” is not a quantity such as 500m, 2 or 16Gi.")
        self.text = text


def parse_quantity(text: str | float | Fraction) -> Fraction:
    """Return the exact value of a quantity; a number counts as its decimal text, as it does in YAML."""
    if isinstance(text, Fraction):
        return text
    if isinstance(text, bool):
        raise QuantityRefused(text)
    return _parsed(repr(text) if isinstance(text, float) else str(text))


# The same few texts come from thousands of pods and nodes again and again.
@lru_cache(maxsize=16384)
def _parsed(written: str) -> Fraction:
    match = _QUANTITY.fullmatch(written) if len(written) <= _MAX_LENGTH else None
    if match is None:
        raise QuantityRefused(written)
    sign, digits, binary, exponent, suffix = match.groups()
    value = Fraction(Decimal(digits))
    if binary:
        value *= 1024 ** _BINARY[binary]
    elif exponent:
        power = int(exponent[1:])
        if abs(power) > _MAX_EXPONENT:
            raise QuantityRefused(written)
        value *= Fraction(10) ** power
    else:
        value *= Fraction(10) ** _DECIMAL[suffix or ""]
    return -value if sign == "-" else value


def format_quantity(value: Fraction | int, *, binary: bool = False) -> str:
    """Return the shortest quantity that has exactly this value; finer than a nano is rounded up, as Kubernetes does."""
    value = Fraction(ceil(Fraction(value) * 10**9), 10**9) if value >= 0 else -_ceil_nano(-Fraction(value))
    if value == 0:
        return "0"
    if binary and value.denominator == 1:
        for suffix in reversed(_BINARY):
            step = 1024 ** _BINARY[suffix]
            if value % step == 0:
                return f"{value.numerator // step}{suffix}"
        return str(value.numerator)
    if value.denominator == 1:
        for suffix in ("E", "P", "T", "G", "M", "k"):
            step = 10 ** _DECIMAL[suffix]
            if value % step == 0:
                return f"{value.numerator // step}{suffix}"
        return str(value.numerator)
    for suffix in ("m", "u", "n"):
        scaled = value * Fraction(10) ** -_DECIMAL[suffix]
        if scaled.denominator == 1:
            return f"{scaled.numerator}{suffix}"
    raise AssertionError("a whole number of nanos always has a form")


def parse_resources(resources: Mapping[str, str | int | float] | None) -> Quantities:
    """Return the values of a mapping such as ``requests`` or ``allocatable``."""
    return {name: parse_quantity(text) for name, text in (resources or {}).items()}


def add(*terms: Mapping[str, Fraction]) -> Quantities:
    """Return the sum of resources, name by name."""
    total: Quantities = {}
    for term in terms:
        for name, value in term.items():
            total[name] = total.get(name, Fraction(0)) + value
    return total


def subtract(left: Mapping[str, Fraction], right: Mapping[str, Fraction]) -> Quantities:
    """Return what is left of the left side's resources; may be negative."""
    return {name: value - right.get(name, Fraction(0)) for name, value in left.items()}


def largest(*terms: Mapping[str, Fraction]) -> Quantities:
    """Return the largest value of each name."""
    result: Quantities = {}
    for term in terms:
        for name, value in term.items():
            result[name] = max(value, result.get(name, value))
    return result


def total(terms: Iterable[Mapping[str, Fraction]]) -> Quantities:
    """Return the sum of many."""
    return add(*terms)


def is_gpu(resource: str) -> bool:
    """Tell whether a resource's name is that of an accelerator people call a GPU."""
    domain, slash, name = resource.partition("/")
    if not slash:
        return False
    if name == "gpu" or name.startswith(("gpu.", "gpu-", "mig-", "pgpu", "vgpu")):
        return True
    return domain == "gpu.intel.com" and name in {"i915", "xe"}


def gpus(resources: Mapping[str, Fraction]) -> Fraction:
    """Return how many GPUs of any kind there are among resources."""
    return sum((value for name, value in resources.items() if is_gpu(name)), Fraction(0))


def display(resource: str, value: Fraction | int) -> str:
    """Return a value as people read it: ``4 CPU``, ``16 GiB``, ``1 GPU``, ``110 pods``."""
    name = resource.removeprefix("requests.").removeprefix("limits.")
    if name == "cpu":
        return f"{_round(Fraction(value))} CPU"
    if name in {"memory", "ephemeral-storage", "storage"} or name.startswith("hugepages-"):
        return display_bytes(value)
    if is_gpu(name):
        short = name.partition("/")[2]
        return f"{_round(Fraction(value))} {'GPU' if short == 'gpu' else short}"
    if name == "pods":
        return f"{_round(Fraction(value))} {'pod' if value == 1 else 'pods'}"
    return f"{_round(Fraction(value))} {name}"


def display_bytes(value: Fraction | int) -> str:
    """Return bytes as ``1.5 GiB``."""
    value = Fraction(value)
    for suffix, power in reversed(_BINARY.items()):
        if abs(value) >= 1024**power:
            return f"{_round(value / 1024**power)} {suffix}B"
    return f"{_round(value)} B"


def _round(value: Fraction) -> str:
    """Round to two decimals below ten, one below a hundred, none above; drop zeros at the end."""
    places = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    text = f"{Decimal(value.numerator) / Decimal(value.denominator):.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _ceil_nano(value: Fraction) -> Fraction:
    return Fraction(ceil(value * 10**9), 10**9)
