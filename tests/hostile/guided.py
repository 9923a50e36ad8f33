"""Hostile input led by what it reaches: `python -m tests.hostile.guided [READER …]`, MOORING_FUZZ_SECONDS for each.

atheris changes what is kept, keeps what reaches new code in `.mooring/fuzz/READER`, and stops at whatever is neither taken
nor refused in words, takes too long or too much memory. It is installed when it is first wanted, and for this alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import ROOT

KEPT = ROOT / ".mooring" / "fuzz"
TOOL = KEPT / "atheris"
LOCK = ROOT / "requirements" / "fuzz.lock"
# A call that takes longer is a hang, also beside others who keep the machine busy.
HANGS_SECONDS = 20
MEMORY_MB = 700


def main(names: list[str]) -> int:
    """Let each reader be fuzzed in a process of its own; 1 when one of them broke."""
    from tests.hostile.corpus import FOLDER
    from tests.hostile.readers import READERS

    if not installed():
        print("not fuzzed by coverage: atheris has no wheel for this Python and system")
        return 0
    seconds, broken = os.environ.get("MOORING_FUZZ_SECONDS") or "60", []
    for name in names or list(READERS):
        place = KEPT / name
        place.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.hostile.guided", "--one", name, f"-max_total_time={seconds}", f"-timeout={HANGS_SECONDS}",
                   f"-rss_limit_mb={MEMORY_MB}", "-max_len=20000", f"-artifact_prefix={KEPT}/failed-{name}-", "-verbosity=0",
                   str(place), str(FOLDER / name)]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        print(f"{name}: {'broken' if done.returncode else f'{seconds} s, {len(list(place.iterdir()))} inputs that differ in what they reach'}")
        if done.returncode:
            broken.append(name)
            print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    if broken:
        print(f"what broke them is kept as {KEPT}/failed-…: mend it, and put it into {FOLDER.relative_to(ROOT)}")
    return 1 if broken else 0


def installed() -> bool:
    """Tell whether atheris is there, after trying to get it."""
    if not (TOOL / "atheris").exists():
        shutil.rmtree(TOOL, ignore_errors=True)
        command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "-q", "--python", sys.executable, "--target", str(TOOL),
                   "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)]  # fmt: skip
        subprocess.run(command, check=False, capture_output=True)
    return (TOOL / "atheris").exists()


def one(name: str, options: list[str]) -> None:
    """Fuzz one reader in this process, until its time is over."""
    sys.path.append(str(TOOL))
    import atheris

    with atheris.instrument_imports(include=["compute", "jobs", "endpoints", "studio", "tests.hostile", "yaml", "tarfile", "zipfile"]):
        from tests.hostile.readers import read

    # Loaded before what it changes bears another name.
    atheris.Setup([sys.argv[0], *options], lambda raw: read(name, raw) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main(sys.argv[1:]))
