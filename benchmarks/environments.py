"""Python environments with other people's servers, kept in the cache folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.studio import NotMeasuredError, say
from sandbox.places import cache_folder

INSTALL_SECONDS = 900


def python_with(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of an environment with packages; made in the cache folder when it is not there."""
    mark = hashlib.sha256("\n".join((*packages, sys.version)).encode()).hexdigest()[:12]
    folder = cache_folder() / "benchmarks" / f"{name}-{mark}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    say(f"installing {', '.join(packages)}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    output([sys.executable, "-m", "venv", str(folder)])
    has_uv = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode == 0
    pip = [sys.executable, "-m", "uv", "pip", "install", "--python", str(python)] if has_uv else [str(python), "-m", "pip", "install"]
    output([*pip, "-q", *packages], limit=INSTALL_SECONDS)
    (folder / "complete").touch()
    return python


def output(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None, limit: float = 180) -> str:
    """Run a command and return what it said; raise with the end of that when it did not work."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasuredError(f"{command[0]} did not work: {error}") from error
    if done.returncode and "--version" not in command:
        raise NotMeasuredError(f"{' '.join(command[:4])} did not work: {done.stdout[-1000:]}")
    return done.stdout
