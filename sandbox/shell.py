"""Run other programs and turn their failures into sentences."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.errors import LOG_LINES, SandboxError

NEVER_PROXIED = ("localhost", "127.0.0.1", "10.0.0.0/8", ".svc", ".cluster.local")


def run(
    argv: Sequence[str | Path],
    *,
    part: str,
    todo: str,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 600.0,
) -> str:
    """Run a program to its end and return what it printed; raise SandboxError when it fails."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, env=env, cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SandboxError(part, f"the program {words[0]} is not on this machine.", todo) from None
    except subprocess.TimeoutExpired:
        raise SandboxError(part, f"{words[0]} did not end within {timeout:.0f} s.", todo) from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise SandboxError(part, f"{words[0]} ended with code {done.returncode}.", todo, log=lines[-LOG_LINES:])
    return done.stdout


def direct_env(**more: str) -> dict[str, str]:
    """Return this process' environment with the sandbox's own addresses exempt from any proxy."""
    env = {**os.environ, **more}
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(part for part in (env.get(name, ""), *NEVER_PROXIED) if part)
    return env


def succeeds(argv: Sequence[str | Path], *, timeout: float = 30.0) -> bool:
    """Tell whether a program ends with code 0."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, env=direct_env(), capture_output=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
