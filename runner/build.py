"""Build what goes into the runner image. Runs where the image is made, not in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "entrypoint"
SCORING = HERE / "scoring"


def build_entrypoint(cache: Path) -> Path:
    """Build the entrypoint, one static binary, unless the cache has it; give its path.

    Raise RuntimeError with the compiler's last lines when it cannot be built.
    """
    target = cache / "entrypoint" / _digest_of(_go_files())[:16] / "entrypoint"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    go = os.environ.get("GO") or shutil.which("go") or "/usr/local/go/bin/go"
    handle, spare = tempfile.mkstemp(dir=target.parent)
    os.close(handle)
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", spare, "."]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(command, check=False, cwd=SOURCES, env=environment, capture_output=True, text=True)
    except OSError as error:
        os.unlink(spare)
        raise RuntimeError(f"The entrypoint needs Go to be built, and {go} cannot be started: {error}") from error
    if done.returncode:
        os.unlink(spare)
        raise RuntimeError("The entrypoint could not be built:\n" + "\n".join(done.stderr.splitlines()[-20:]))
    os.chmod(spare, 0o755)
    os.replace(spare, target)  # another build at the same time makes the same file
    return target


def build_scoring(cache: Path) -> Path:
    """Build the scoring server, one zip that a shell or a Python runs, unless the cache has it; give its path."""
    target = cache / "scoring" / _digest_of(_scoring_files())[:16] / "scoring.pyz"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, spare = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write((SCORING / "launcher.sh").read_bytes())
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
            for path in _scoring_files():
                if path.suffix == ".py":
                    name = "__main__.py" if path.name == "start.py" else f"mooring_scoring/{path.name}"
                    archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    os.chmod(spare, 0o755)
    os.replace(spare, target)
    return target


def image_files(entrypoint: Path, scoring: Path) -> dict[str, Path]:
    """Give what goes into the image: path below the folder that is on PYTHONPATH → file here."""
    files = {f"runner/{path.name}": path for path in _python_files()}
    files["runner/bin/entrypoint"] = entrypoint
    files["runner/bin/scoring.pyz"] = scoring
    return files


def digest() -> str:
    """Give the digest of everything that goes into the image."""
    return _digest_of(_go_files() + _python_files() + _scoring_files())


def _python_files() -> list[Path]:
    return [path for path in sorted(HERE.glob("*.py")) if path.name != "build.py"]


def _scoring_files() -> list[Path]:
    return [SCORING / "launcher.sh", *sorted(SCORING.glob("*.py"))]


def _go_files() -> list[Path]:
    return [
        path for path in sorted(SOURCES.iterdir()) if path.name == "go.mod" or (path.suffix == ".go" and not path.name.endswith("_test.go"))
    ]


def _digest_of(files: list[Path]) -> str:
    summed = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        summed.update(f"{path.name} {len(content)}\n".encode())
        summed.update(content)
    return summed.hexdigest()
