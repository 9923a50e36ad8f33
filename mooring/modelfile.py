"""What a model's YAML names on this machine: the path of its files. The studio checks the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring.jobfile import local_path, read_text, set_over


@dataclass(frozen=True)
class ModelFile:
    """A model's YAML as text, and where its files lie when they are on this machine."""

    text: str
    place: Path | None = None


def read_model_file(path: Path, overrides: Sequence[str] = ()) -> ModelFile:
    """Read a model's YAML file and find its path on this machine, relative to the YAML file."""
    text = read_text(path)
    values = set_over(text, overrides, source=path)
    return ModelFile(text, local_path(values.get("path"), path.parent))
