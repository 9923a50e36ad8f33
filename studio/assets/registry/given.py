"""What a person gives of a version to register, and whether it may be so. Free of the database."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from studio.assets.registry.models import Type
from studio.core.errors import ProblemError
from studio.core.words import word_problems

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,254}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")
_LARGEST_NUMBER = 1_000_000_000
_MOST_TAGS = 100
_MOST_JSON = 64 * 1024
_WORDS = "letters, digits, `-`, `_` and `.`, a letter or a digit first"


@dataclass(frozen=True)
class Given:
    """A version to register: its files are at a `path` such as `azureml://jobs/…`, or a `tree` that was sent."""

    name: str
    version: str = ""
    type: str = ""
    path: str = ""
    tree: str = ""
    # With `tree`: the last part of the path that the files had, and whether that was a single file.
    base_name: str = ""
    is_file: bool = False
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    flavors: dict[str, Any] = field(default_factory=dict)
    stage: str = ""

    def problems(self) -> list[ProblemError]:
        """Return what of it cannot be, each at its field."""
        found = []
        if not NAME.fullmatch(self.name):
            found.append(ProblemError("name-invalid", field="name", name=self.name[:60], what="model", why=f"{_WORDS}, at most 255"))
        if self.version and not VERSION.fullmatch(self.version):
            found.append(
                ProblemError("name-invalid", field="version", name=self.version[:60], what="version", why=f"{_WORDS}, at most 100")
            )
        if self.type and self.type not in Type.values:
            found.append(_invalid("type", f"A model's type is one of {', '.join(Type.values)}."))
        if len(self.stage) > 100:
            found.append(_invalid("stage", "A stage has at most 100 characters."))
        if len(self.description) > 100_000:
            found.append(_invalid("description", "The description is longer than 100,000 characters."))
        for name, value in (("properties", self.properties), ("flavors", self.flavors)):
            if len(json.dumps(value)) > _MOST_JSON:
                found.append(_invalid(name, f"{name.capitalize()} are larger than 64 KiB."))
        for name, text in (("description", self.description), ("stage", self.stage)):
            found += word_problems(name, text)
        return found + tag_problems(self.tags)


def number_of(version: str) -> int | None:
    """Return the number that a version is, or None: `007` is a word, else two versions were one number."""
    if not (version.isascii() and version.isdecimal()) or (len(version) > 1 and version[0] == "0") or len(version) > 10:
        return None
    return int(version) if int(version) <= _LARGEST_NUMBER else None


def tag_problems(tags: dict[str, str]) -> list[ProblemError]:
    """Return what is wrong with tags."""
    if len(tags) > _MOST_TAGS:
        return [_invalid("tags", f"There are more than {_MOST_TAGS} tags.")]
    long = [key for key, value in tags.items() if not key or len(key) > 200 or len(value) > 1000]
    found = [_invalid("tags", f"The tag {key[:40]!r} is empty, or its key or value too long.") for key in long[:3]]
    return found or word_problems("tags", tags)


def _invalid(place: str, text: str) -> ProblemError:
    return ProblemError("field-invalid", field=place, text=text)
