"""Find, fetch or build every program of a cluster; each lies in the cache by name and version.

Sources in their order: the cache, the machine's PATH when the version fits, the project's own release download,
a Debian package (unpacked into the cache: nothing is installed and no service starts), Go modules.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from sandbox import debian, gobuild, versions
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.locks import held
from sandbox.oci import architecture
from sandbox.places import cache_folder
from sandbox.versions import Version

REFUSED_AFTER_SECONDS = 4.0
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
NODE = ("kubelet", "kube-proxy")
CNI_NEEDED = ("bridge", "host-local", "loopback", "portmap")


@dataclass(frozen=True)
class Program:
    """A set of executables that come together, and where they may come from."""

    name: str
    version: str
    executables: tuple[str, ...]
    on_path: str = ""
    release: str = ""
    packages: tuple[str, ...] = ()
    build: bool = True

    @property
    def folder(self) -> Path:
        return cache_folder() / "bin" / f"{self.name}-{self.version}"

    @property
    def is_cached(self) -> bool:
        return all((self.folder / name).exists() for name in self.executables)


def kubernetes(version: Version, *, node: bool) -> Program:
    """Return the programs of one Kubernetes release: the control plane, and the node's when asked for."""
    return Program(
        "kubernetes",
        str(version),
        CONTROL_PLANE + (NODE if node else ()),
        on_path=r"\bv?" + re.escape(version.minor_name) + r"\.\d+",
        release="https://dl.k8s.io/v{version}/bin/linux/{arch}/{executable}",
    )


ETCD = Program(
    "etcd", versions.ETCD, ("etcd",), on_path=r"Version: 3\.[67]\.",
    release="https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{arch}.tar.gz",
)  # fmt: skip
KWOK = Program(
    "kwok", versions.KWOK, ("kwok",), on_path=re.escape(versions.KWOK),
    release="https://github.com/kubernetes-sigs/kwok/releases/download/v{version}/{executable}-linux-{arch}",
)  # fmt: skip
COREDNS = Program("coredns", versions.COREDNS, ("coredns",))
METRICS_SERVER = Program("metrics-server", versions.METRICS_SERVER, ("metrics-server",))
LOCAL_PATH = Program("local-path-provisioner", versions.LOCAL_PATH_PROVISIONER, ("local-path-provisioner",))
HELM = Program(
    "helm", versions.HELM, ("helm",), on_path=r"[Vv]ersion:\s*\"?v4\.",
    release="https://get.helm.sh/{executable}-v{version}-linux-{arch}.tar.gz",
)  # fmt: skip
ENVOY_GATEWAY = Program(
    "envoy-gateway", versions.ENVOY_GATEWAY, ("envoy-gateway",),
    on_path=rf"ENVOY_GATEWAY_VERSION: v{re.escape(versions.ENVOY_GATEWAY)}\b",
)  # fmt: skip
CONTAINERD = Program(
    "containerd", "debian", ("containerd", "containerd-shim-runc-v2", "ctr"),
    on_path=r"containerd\S* \S+ v?(1\.[67]|2)\.", packages=("containerd",),
)  # fmt: skip
RUNC = Program("runc", "debian", ("runc",), on_path=r"runc version 1\.", packages=("runc",))
CNI = Program("cni", "debian", CNI_NEEDED, packages=("containernetworking-plugins",))
REGISTRY = Program("registry", "debian", ("docker-registry",), packages=("docker-registry",))
BUSYBOX = Program("busybox", "debian", ("busybox",), packages=("busybox-static",), build=False)
MKSH = Program("mksh", "debian", ("mksh",), packages=("mksh",), build=False)

FULL = (ETCD, CONTAINERD, RUNC, CNI, REGISTRY, BUSYBOX, MKSH, COREDNS, LOCAL_PATH, METRICS_SERVER, HELM, ENVOY_GATEWAY)
SIMULATED = (ETCD, KWOK)


class Binaries:
    """The executables of one cluster, by name."""

    def __init__(self) -> None:
        self._found: dict[str, Path] = {}

    def __getitem__(self, name: str) -> Path:
        return self._found[name]

    def add(self, program: Program, folder: Path) -> None:
        """Take over a program's executables from the folder they lie in."""
        for name in program.executables:
            self._found[name] = folder / name


def gather(programs: list[Program], console: Console) -> Binaries:
    """Return every executable of ``programs``, fetching or building what the machine and the cache lack."""
    found = Binaries()
    missing = []
    for program in programs:
        folder = present(program)
        if folder:
            found.add(program, folder)
        else:
            missing.append(program)
    if not missing:
        return found
    with held(cache_folder() / "build.lock", "the programs that another command makes", console):
        _make([program for program in missing if not program.is_cached], console)
    for program in missing:
        found.add(program, program.folder)
    return found


def present(program: Program) -> Path | None:
    """Return the folder of a program that the cache or the machine has."""
    return program.folder if program.is_cached else _on_path(program)


def _make(missing: list[Program], console: Console) -> None:
    reachable: dict[str, bool] = {}
    to_build = []
    for number, program in enumerate(missing, 1):
        step = f"{program.name} {program.version} ({number} of {len(missing)})"
        if program.release and _download(program, step, console, reachable):
            continue
        if program.packages and debian.is_debian():
            with console.working(f"unpacking {step} from Debian packages"):
                debian.unpack(program.packages, program.executables, program.folder)
        elif program.build:
            to_build.append(program)
        else:
            raise SandboxError(
                program.name,
                "it is neither on this machine nor in a package that this machine can fetch.",
                f"Put {', '.join(program.executables)} into {program.folder} and run the command again.",
            )
    if COREDNS in to_build and KWOK not in to_build and not KWOK.is_cached:
        # It shares what the others compile: now it takes seconds, for the first simulated cluster it would take minutes.
        to_build.append(KWOK)
    gobuild.build(to_build, console)


def _on_path(program: Program) -> Path | None:
    """Return the folder of a program that the machine has in a version that fits."""
    if not program.on_path:
        return None
    first = shutil.which(program.executables[0])
    if not first or not all((Path(first).parent / name).exists() for name in program.executables):
        return None
    for option in ("--version", "version"):
        try:
            said = subprocess.run([first, option], capture_output=True, text=True, timeout=20, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            return None
        if re.search(program.on_path, said):
            return Path(first).parent
    return None


def _download(program: Program, step: str, console: Console, reachable: dict[str, bool]) -> bool:
    """Fetch a program's official release; False at once when its host cannot be reached from here."""
    host = program.release.split("/")[2]
    if not reachable.get(host, True):
        return False
    with tempfile.TemporaryDirectory(dir=_temporary()) as folder:
        try:
            for address in dict.fromkeys(_addresses(program)):
                # The small checksum goes first: it tells within seconds whether the host can be reached at all.
                _fetch(address, Path(folder), lambda a: console.say(f"downloading {step}: {a}"))
        except (OSError, urllib.error.URLError, tarfile.TarError, ValueError) as error:
            reachable[host] = not isinstance(error, urllib.error.URLError | TimeoutError)
            console.say(f"{step}: no release download ({_reason(error)})")
            return False
        install(Path(folder), program)
    return True


def _addresses(program: Program) -> list[str]:
    return [program.release.format(version=program.version, arch=architecture(), executable=name) for name in program.executables]


def _fetch(address: str, folder: Path, tell: object) -> None:
    expected = _expected_digest(address)
    if callable(tell):
        tell(address)
    target = folder / Path(address).name
    digest = hashlib.sha256()
    with urllib.request.urlopen(address, timeout=30) as answer, target.open("wb") as file:
        while block := answer.read(1 << 20):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != expected:
        raise ValueError(f"{address} does not have the digest that its publisher names")
    if target.name.endswith(".tar.gz"):
        with tarfile.open(target) as archive:
            archive.extractall(folder, filter="data")
        target.unlink()


def _expected_digest(address: str) -> str:
    """Return the sha256 that the publisher states beside a download."""
    base, name = address.rsplit("/", 1)
    for beside in (f"{address}.sha256", f"{base}/SHA256SUMS"):
        try:
            with urllib.request.urlopen(beside, timeout=REFUSED_AFTER_SECONDS) as answer:
                text: str = answer.read(65536).decode()
        except urllib.error.HTTPError:
            continue
        for line in text.splitlines():
            words = line.split()
            if len(words) == 1 or (len(words) == 2 and words[1].lstrip("*") == name):
                return words[0]
    raise ValueError("its publisher states no sha256 beside it")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error))


def install(folder: Path, program: Program) -> None:
    """Move a program's executables from wherever they lie below ``folder`` into the cache, all or nothing."""
    program.folder.mkdir(parents=True, exist_ok=True)
    candidates = {path.name: path for path in folder.rglob("*") if path.is_file()}
    for name in program.executables:
        source = candidates.get(name) or next(
            (path for found, path in sorted(candidates.items()) if found.startswith(f"{name}-linux-")), None
        )
        if source is None:
            raise SandboxError(program.name, f"{name} is not in what was fetched.", f"Put it into {program.folder}.")
        source.chmod(0o755)
        unfinished = program.folder / f".{name}.{os.getpid()}"
        shutil.move(source, unfinished)
        unfinished.replace(program.folder / name)


def _temporary() -> Path:
    folder = cache_folder() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
