"""Read of a Dockerfile what an image is made of, as far as the studio's own say it: one recipe with and without a builder.

Not a builder: of commands to be run nothing is understood. What the files in deploy/images run is done here by the modules that make
the sandbox's other images.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.oci import ImageConfig

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "images"


@dataclass(frozen=True)
class Copied:
    """A path that is copied into an image: from the checkout, or from the stage that built it."""

    source: str
    target: str
    built: bool


@dataclass(frozen=True)
class Dockerfile:
    """What the last stage of a Dockerfile says, and the Debian packages of its base."""

    packages: tuple[str, ...]
    arguments: dict[str, str]
    copied: tuple[Copied, ...]
    config: ImageConfig


def read(name: str) -> Dockerfile:
    """Return what deploy/images/NAME/Dockerfile says."""
    lines = _lines((FOLDER / name / "Dockerfile").read_text(encoding="utf-8"))
    arguments = dict(_pair(rest) for word, rest in lines if word == "ARG")
    last = lines[max(number for number, (word, _) in enumerate(lines) if word == "FROM") :]
    said = dict(last)
    environment = tuple("=".join(_pair(rest)) for word, rest in last if word == "ENV")
    return Dockerfile(
        tuple(arguments["PACKAGES"].split()),
        arguments,
        tuple(_copied(rest) for word, rest in last if word == "COPY"),
        ImageConfig(
            (*ImageConfig().env, *environment),
            command=tuple(json.loads(said["CMD"])),
            user=said["USER"],
            folder=said["WORKDIR"],
        ),
    )


def _lines(text: str) -> list[tuple[str, str]]:
    """Return each instruction with what follows it; lines that go on are one."""
    whole = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    found = [line.partition(" ") for line in whole.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in found]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value.strip('"')


def _copied(text: str) -> Copied:
    *options, source, target = text.split()
    return Copied(source, target, built=bool(options))
