"""Find, fetch or build every program of a cluster; each lies in the cache by name and version.

Sources in their order: the cache, the machine's PATH when the version fits, the project's own release download,
a Debian package (unpacked into the cache: nothing is installed and no service starts), Go modules.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox import debian, gobuild, versions
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.locks import held
from sandbox.places import cache_folder
from sandbox.releases import SUMS, Release, Releases
from sandbox.versions import Version

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
NODE = ("kubelet", "kube-proxy")
# Not "bridge" first: iproute2 has a program of that name.
CNI_NEEDED = ("host-local", "bridge", "loopback", "portmap")
GITHUB = "https://github.com"


@dataclass(frozen=True)
class Program:
    """A set of executables that come together, and where they may come from."""

    name: str
    version: str
    executables: tuple[str, ...]
    # What one on PATH has to say of its version, and the same in words.
    on_path: str = ""
    fits: str = ""
    asked: tuple[tuple[str, ...], ...] = (("--version",), ("version",))
    # It goes into an image that has no library.
    static: bool = False
    release: Release | None = None
    packages: tuple[str, ...] = ()
    build: bool = True

    @property
    def folder(self) -> Path:
        return cache_folder() / "bin" / f"{self.name}-{self.version}"

    @property
    def package_folder(self) -> Path:
        """Where the executables of the machine's release lie, in whatever version it has."""
        return cache_folder() / "bin" / f"{self.name}-debian"

    @property
    def cached(self) -> Path | None:
        """The folder of the cache that has all executables."""
        folders = (self.folder, self.package_folder) if self.packages else (self.folder,)
        return next((folder for folder in folders if all((folder / name).exists() for name in self.executables)), None)


def kubernetes(version: Version, *, node: bool) -> Program:
    """Return the programs of one Kubernetes release: the control plane, and the node's when asked for."""
    return Program(
        "kubernetes",
        str(version),
        CONTROL_PLANE + (NODE if node else ()),
        on_path=r"\bv?" + re.escape(version.minor_name) + r"\.\d+",
        fits=version.minor_name,
        release=Release("https://dl.k8s.io/v{version}/bin/linux/{arch}/{executable}"),
    )


ETCD = Program(
    "etcd", versions.ETCD, ("etcd",), on_path=r"Version: 3\.[67]\.", fits="3.6 or 3.7",
    release=Release(GITHUB + "/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{arch}.tar.gz"),
)  # fmt: skip
KWOK = Program(
    "kwok", versions.KWOK, ("kwok",), on_path=rf"\bv?{re.escape(versions.KWOK)}\b", fits=versions.KWOK,
    release=Release(GITHUB + "/kubernetes-sigs/kwok/releases/download/v{version}/{executable}-linux-{arch}"),
)  # fmt: skip
COREDNS = Program(
    "coredns", versions.COREDNS, ("coredns",), on_path=r"CoreDNS-1\.1[1-9]\.", fits="1.11 or later", static=True,
    release=Release(GITHUB + "/coredns/coredns/releases/download/v{version}/coredns_{version}_linux_{arch}.tgz"),
)  # fmt: skip
# These projects publish images and no programs.
METRICS_SERVER = Program(
    "metrics-server", versions.METRICS_SERVER, ("metrics-server",), on_path=r"\bv?0\.[789]\.", fits="0.7 to 0.9", static=True
)
LOCAL_PATH = Program(
    "local-path-provisioner", versions.LOCAL_PATH_PROVISIONER, ("local-path-provisioner",), on_path=r"\bv?0\.0\.[23]\d\b",
    fits="0.0.20 or later", static=True,
)  # fmt: skip
ENVOY_GATEWAY = Program(
    "envoy-gateway", versions.ENVOY_GATEWAY, ("envoy-gateway",),
    on_path=rf"ENVOY_GATEWAY_VERSION: v{re.escape(versions.ENVOY_GATEWAY)}\b", fits=versions.ENVOY_GATEWAY, static=True,
)  # fmt: skip
HELM = Program(
    "helm", versions.HELM, ("helm",), on_path=r"[Vv]ersion:\s*\"?v4\.", fits="4",
    release=Release("https://get.helm.sh/{executable}-v{version}-linux-{arch}.tar.gz"),
)  # fmt: skip
CONTAINERD = Program(
    "containerd", versions.CONTAINERD, ("containerd", "containerd-shim-runc-v2", "ctr"),
    on_path=r"containerd\S* \S+ v?(1\.[67]|2)\.", fits="1.6, 1.7 or 2", packages=("containerd",),
    release=Release(GITHUB + "/containerd/containerd/releases/download/v{version}/containerd-{version}-linux-{arch}.tar.gz"),
)  # fmt: skip
RUNC = Program(
    "runc", versions.RUNC, ("runc",), on_path=r"runc version 1\.", fits="1", packages=("runc",),
    release=Release(
        GITHUB + "/opencontainers/runc/releases/download/v{version}/{executable}.{arch}", (*SUMS, "{folder}/runc.sha256sum")
    ),
)  # fmt: skip
CNI = Program(
    "cni", versions.CNI_PLUGINS, CNI_NEEDED, on_path=r"plugin v?1\.", fits="1", packages=("containernetworking-plugins",),
    release=Release(GITHUB + "/containernetworking/plugins/releases/download/v{version}/cni-plugins-linux-{arch}-v{version}.tgz"),
)  # fmt: skip
REGISTRY = Program(
    "registry", versions.REGISTRY, ("docker-registry",), on_path=r"v?[23]\.\d", fits="2 or 3", packages=("docker-registry",),
    release=Release(
        GITHUB + "/distribution/distribution/releases/download/v{version}/registry_{version}_linux_{arch}.tar.gz",
        called=(("docker-registry", "registry"),),
    ),
)  # fmt: skip
# Debian has them without a need for libraries; their makers publish sources.
BUSYBOX = Program(
    "busybox", "debian", ("busybox",), on_path=r"BusyBox v1\.", fits="1", asked=(("--help",),), static=True,
    packages=("busybox-static",), build=False,
)  # fmt: skip
MKSH = Program(
    "mksh", "debian", ("mksh",), on_path=r"MIRBSD KSH", fits="any", asked=(("-c", "echo $KSH_VERSION"),), static=True,
    packages=("mksh",), build=False,
)  # fmt: skip

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
        folder, why_not = _present(program)
        if folder:
            found.add(program, folder)
        else:
            missing.append(program)
        if why_not:
            console.say(why_not)
    if not missing:
        return found
    with held(cache_folder() / "build.lock", "the programs that another command makes", console):
        _make([program for program in missing if not program.cached], console)
    for program in missing:
        found.add(program, program.cached or program.folder)
    return found


def present(program: Program) -> Path | None:
    """Return the folder of a program that the cache or the machine has."""
    return _present(program)[0]


def _present(program: Program) -> tuple[Path | None, str]:
    """Return the folder of a program, and why the one of the machine is not taken."""
    return (program.cached, "") if program.cached else _on_path(program)


def _make(missing: list[Program], console: Console) -> None:
    releases = Releases(console)
    releases.look(program.release for program in missing if program.release)
    to_build = []
    for number, program in enumerate(missing, 1):
        step = f"{program.name} {program.version} ({number} of {len(missing)})"
        if program.release and _fetched(program, step, releases):
            continue
        if program.packages and debian.is_debian():
            with console.working(f"unpacking {program.name} from Debian packages ({number} of {len(missing)})"):
                debian.unpack(program.packages, program.executables, program.package_folder)
        elif program.build:
            to_build.append(program)
        else:
            raise SandboxError(
                program.name,
                "it is neither on this machine nor in a package that this machine can fetch.",
                f"Put {', '.join(program.executables)} into {program.folder} and run the command again.",
            )
    if COREDNS in to_build and KWOK not in to_build and not KWOK.cached:
        # It shares what the others compile: now it takes seconds, for the first simulated cluster it would take minutes.
        to_build.append(KWOK)
    gobuild.build(to_build, console)


def _on_path(program: Program) -> tuple[Path | None, str]:
    """Return the folder of a program that the machine has in a version that fits, or why it is not taken."""
    first = shutil.which(program.executables[0]) if program.on_path else None
    if not first:
        return None, ""
    folder, refused = Path(first).parent, f"{first} is not taken: "
    lacking = [name for name in program.executables if not (folder / name).exists()]
    if lacking:
        return None, f"{refused}{', '.join(lacking)} is not beside it"
    said = ""
    for words in program.asked:
        try:
            done = subprocess.run([first, *words], capture_output=True, text=True, errors="replace", timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"{refused}it does not tell its version ({error})"
        answer = done.stdout + done.stderr
        if re.search(program.on_path, answer):
            if program.static and not all(debian.is_static(folder / name) for name in program.executables):
                return None, f"{refused}it needs libraries, which the image it goes into does not have"
            return folder, ""
        said = said or " ".join(answer.split())
    return None, f"{refused}wanted is version {program.fits}, it says “{said[:80] or 'nothing'}”"


def _fetched(program: Program, step: str, releases: Releases) -> bool:
    """Fetch what is missing of a program's release into the cache, all or nothing."""
    assert program.release
    wanted = [name for name in program.executables if not (program.folder / name).exists()]
    with tempfile.TemporaryDirectory(dir=_temporary()) as text:
        folder = Path(text)
        if not releases.fetch(program.release, program.version, wanted, folder, step):
            return False
        program.folder.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            (folder / name).chmod(0o755)
        for name in wanted:
            (folder / name).replace(program.folder / name)
    return True


def _temporary() -> Path:
    folder = cache_folder() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
