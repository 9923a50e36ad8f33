"""Read the MLmodel file of an MLflow model: its flavors and its signature. Free of Django."""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from studio.assets.store import BlobStore, StoreError
from studio.assets.trees import Tree
from studio.core.texts import is_endless_number

NAME = "MLmodel"
LARGEST = 256 * 1024
# Aliases of YAML unfold: a short text can mean any number of values.
MOST_VALUES = 20_000
_DEEPEST = 12
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Described:
    """What an MLmodel file says."""

    flavors: dict[str, Any]
    signature: dict[str, Any] = field(default_factory=dict)


def described(tree: Tree, store: BlobStore) -> Described | None:
    """Return what the MLmodel file at the top of a tree says; None when there is none, or it cannot be understood."""
    file = tree.file(NAME)
    if file is None or file.size > LARGEST:
        return None
    try:
        return read(store.read(file.digest))
    except StoreError:
        return None


def read(raw: bytes) -> Described | None:
    """Return what an MLmodel file says, or None when it cannot be understood."""
    try:
        if any(is_endless_number(event) for event in yaml.parse(raw, Loader=_LOADER)):
            return None
        values = yaml.load(raw, Loader=_LOADER)  # noqa: S506 a safe loader
        flavors = values["flavors"]
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError, KeyError, TypeError):
        return None
    if not isinstance(flavors, dict) or not flavors:
        return None
    signature = values.get("signature")
    left = [MOST_VALUES]
    try:
        shown = {str(name): _columns(given, left) for name, given in signature.items()} if isinstance(signature, dict) else {}
        return Described(_plain(flavors, left), {name: given for name, given in shown.items() if given})
    except OverflowError:
        return None


def _columns(given: Any, left: list[int]) -> Any:
    """Return inputs or outputs as values: MLflow writes them as a text of JSON."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return given[:2000]
    return _plain(given, left)


def _plain(value: Any, left: list[int], depth: int = 0) -> Any:
    """Return values as JSON has them: dates and what else YAML knows as texts; raise when there are too many."""
    left[0] -= 1
    if left[0] < 0:
        raise OverflowError
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {str(key): _plain(inner, left, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, left, depth + 1) for inner in value]
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
