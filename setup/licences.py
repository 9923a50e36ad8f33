"""Hold the licences of all that is installed to what may be used: of Python packages and of what the pages are made from.

What the studio runs on must let itself be given on with it; tools for those who work on it may be under the GPL. Unknown,
proprietary and AGPL are refused anywhere. `--list` prints them all.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FREE = re.compile(
    r"MIT|MIT-0|ISC|0BSD|BSD|BSD-[23]-Clause|Apache-2\.0|PSF-2\.0|Python-2\.0|CNRI-Python|MPL-2\.0|LGPL-3\.0-only|Unlicense|Zlib|"
    r"OFL-1\.1|CC0-1\.0|BlueOak-1\.0\.0|HPND"
)
# How packages call them that name no expression of SPDX.
CALLED = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
FOR_TOOLS = re.compile(r"GPL-[23]\.0(-only|-or-later)?")
# What its own notice says better than its fields.
KNOWN = {
    "qrcode": "BSD-3-Clause",  # the field adds that the name QR Code is a trade mark
    "only": "MIT",  # by its readme; package.json names none
}


def python_packages() -> Iterator[tuple[str, str, bool]]:
    """Yield each package of the lock that is installed: its name, its licence, and whether the studio runs on it."""
    locked = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8"), re.MULTILINE)
    runs_on = _closure()
    for name in locked:
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # for another Python or another system
        yield name, KNOWN.get(name) or _licence(about), _plain(name) in runs_on


def page_packages() -> Iterator[tuple[str, str, bool]]:
    """Yield each package of the pages' lock."""
    for path, each in json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"].items():
        name = path.rpartition("node_modules/")[2]
        if name:
            yield name, KNOWN.get(name) or str(each.get("license") or ""), not each.get("dev")


def refused(packages: Iterable[tuple[str, str, bool]]) -> list[str]:
    """Return a sentence for each package that may not be used."""
    told = []
    for name, licence, ships in packages:
        if not _may(licence, ships):
            what = "the studio runs on it" if ships else "a tool"
            told.append(f"{name} ({what}): {licence or 'no licence is named'}")
    return told


def _may(licence: str, ships: bool) -> bool:
    """Tell whether a licence may be used: one of several that may be chosen is enough, of several that hold together all."""
    choices = [re.split(r"\s+AND\s+", choice.strip("() ")) for choice in re.split(r"\s+OR\s+", licence.strip("() "))]
    return any(all(_one(part.strip("() "), ships) for part in choice) for choice in choices)


def _one(licence: str, ships: bool) -> bool:
    return bool(FREE.fullmatch(licence) or (not ships and FOR_TOOLS.fullmatch(licence)))


def _licence(about: metadata.PackageMetadata) -> str:
    if expression := about.get("License-Expression"):
        return str(expression)
    named = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or [] if each.startswith("License :: ")]
    short = str(about.get("License") or "").strip()
    named = [each for each in named if each not in ("OSI Approved", "DFSG approved")] or ([short] if "\n" not in short else [])
    return " AND ".join(CALLED.get(each, each) for each in named)


def _closure() -> set[str]:
    """Return the packages that the studio's own dependencies bring along."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    seen: set[str] = set()
    while waiting:
        match = re.match(r"[A-Za-z0-9][\w.-]*", waiting.pop())
        name = _plain(match[0]) if match else ""
        if not name or name in seen:
            continue
        seen.add(name)
        try:
            waiting += metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
    return seen


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(words: list[str]) -> int:
    """Print what may not be used, or with `--list` everything; 1 when something may not."""
    packages = [*python_packages(), *page_packages()]
    if "--list" in words:
        for name, licence, ships in sorted(packages):
            print(f"{name}\t{licence}\t{'ships' if ships else 'tool'}")
    bad = refused(packages)
    print("\n".join(bad), end="\n" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
