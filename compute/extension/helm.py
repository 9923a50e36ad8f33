"""Run Helm 4 as a child process that ends with its parent, and bounded in time.

The child sees a kubeconfig of its own (mode 600, in a folder of mode 700 that goes with it) and no configuration,
plugins or cache of the machine's user. Knows nothing of rows.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from compute.kube.config import Connection, render_kubeconfig

# What of the environment a pull through a proxy needs.
KEPT = ("PATH", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")
FOLDER = "helm-"
TAIL_BYTES = 16_384
POLL_SECONDS = 0.2
RENDER_SECONDS = 60.0
GRACE_SECONDS = 5.0
# A worker that is killed takes its Helm along: what it left is then for the next leg to mend, with nobody else at it.
_DIE_WITH_PARENT = (
    "import ctypes,os,signal,sys\n"
    "parent=int(sys.argv[1])\n"
    "if sys.platform=='linux': ctypes.CDLL(None).prctl(1,signal.SIGKILL)\n"
    "if os.getppid()!=parent: os._exit(137)\n"
    "os.execv(sys.argv[2],sys.argv[2:])\n"
)


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class HelmMissing(Exception):
    """There is no Helm that can be used; the text says why."""


class HelmFailed(Exception):
    """Helm ended with an error, or not in time."""

    def __init__(self, text: str, output: str) -> None:
        super().__init__(text)
        self.text = text
        self.output = output


@dataclass
class Helm:
    """One Helm for one cluster, in a folder of its own."""

    program: str
    folder: Path
    kubeconfig: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, arguments: Sequence[str], *, seconds: float, while_it_runs: Callable[[], None] | None = None) -> str:
        """Run a command and return the end of what it printed; raises HelmFailed with the same.

        `while_it_runs` is called every fifth of a second; what it raises kills Helm at once, so that the release stays
        pending and is mended by whoever goes on.
        """
        output = self.folder / f"output-{time.monotonic_ns()}"
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), self.program, *arguments]
        with output.open("wb") as file:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self.environment, cwd=self.folder)
        try:
            deadline = time.monotonic() + seconds
            while child.poll() is None:
                if time.monotonic() > deadline:
                    _terminate(child)
                    raise HelmFailed(f"Helm did not end within {seconds:.0f} s.", _tail(output))
                if while_it_runs:
                    while_it_runs()
                time.sleep(POLL_SECONDS)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        printed = _tail(output)
        if child.returncode:
            raise HelmFailed(_said(printed) or f"Helm ended with {child.returncode}.", printed)
        return printed

    def rendered(self, release: str, chart: Path, namespace: str, values: Path) -> list[dict[str, Any]]:
        """Return the objects that a chart makes of values, without asking the cluster; raises HelmFailed."""
        place = self.folder / "rendered"
        shutil.rmtree(place, ignore_errors=True)
        self.run(["template", release, str(chart), "--namespace", namespace, "--values", str(values), "--skip-crds", "--no-hooks",
                  "--output-dir", str(place)], seconds=RENDER_SECONDS)  # fmt: skip
        texts = (file.read_text(encoding="utf-8") for file in sorted(place.rglob("*.yaml")))
        found = [each for text in texts for each in yaml.load_all(text, Loader=_LOADER)]
        return [each for each in found if isinstance(each, dict) and each.get("kind")]

    def write(self, name: str, values: Mapping[str, object]) -> Path:
        """Write values as YAML into Helm's folder and return where."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(dict(values), sort_keys=False), encoding="utf-8")
        return path


def find_program(given: str) -> str:
    """Return the path of a Helm 4, `given` or the one on PATH; raises HelmMissing."""
    program = shutil.which(given or "helm")
    if program is None:
        raise HelmMissing(f"There is no program {given}." if given else "There is no program `helm` on the studio's PATH.")
    try:
        done = subprocess.run([program, "version", "--template", "{{.Version}}"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HelmMissing(f"{program} cannot be run: {error}") from error
    version = done.stdout.strip()
    if not version.startswith("v4."):
        raise HelmMissing(f"{program} is {version or 'no Helm'}; it takes Helm 4.")
    return program


@contextmanager
def helm_for(connection: Connection, program: str, parent: Path, key: str) -> Iterator[Helm]:
    """Give a Helm for a cluster in a fresh folder under `parent`, which is removed afterwards with the kubeconfig in it.

    `key` names what it is for: a folder that a killed worker left for the same is removed now.
    """
    for left in parent.glob(f"{FOLDER}{key}-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{key}-", dir=parent))
    try:
        kubeconfig = folder / "kubeconfig"
        descriptor = os.open(kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(render_kubeconfig(connection))
        yield Helm(program, folder, kubeconfig, _environment(folder, kubeconfig, os.environ))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, kubeconfig: Path, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: environ[name] for name in KEPT if name in environ}
    places = {name: str(folder / part) for name, part in
              (("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data"))}  # fmt: skip
    return kept | places | {"HOME": str(folder), "KUBECONFIG": str(kubeconfig), "HELM_DRIVER": "secret", "HELM_NO_PLUGINS": "1"}


def _terminate(child: "subprocess.Popen[bytes]") -> None:
    """Ask Helm to end: it notes the release as failed before it goes."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - TAIL_BYTES, 0))
        return file.read().decode("utf-8", "replace").strip()


def _said(output: str) -> str:
    """Return what Helm says went wrong: its line `Error: …`, else its last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return (errors[-1] if errors else lines[-1] if lines else "")[:400]
