"""Which images a full node has, what each is made of, and the making of those that the registry lacks.

An image's tag is the digest of its recipe, so that it is made again exactly when the recipe has changed.
"""

from __future__ import annotations

import hashlib
import http.client
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox import gobuild, versions
from sandbox.binaries import Binaries
from sandbox.configs import REGISTRY_NAME
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.images import debian_base, dockerfile, envoy_program, python_packages, runner_files, studio_image
from sandbox.locks import held
from sandbox.oci import Entry, ImageConfig, Layer, Registry, layer_of_entries, layer_of_tar
from sandbox.places import cache_folder

HERE = Path(__file__).resolve().parent
RECIPES = "2"  # raised when the code below makes different images from the same inputs
PERSON = "1000:1000"
GATEWAY_PERSON = "65532:65532"  # the one that Envoy Gateway gives its pods
FEW_APPLETS = ("cat", "chmod", "env", "id", "ls", "mkdir", "ps", "rm", "sleep")
PYTHON_ENV = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "PYTHONUNBUFFERED=1",
    "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",
)


@dataclass(frozen=True)
class Image:
    """An image's name, its tag, and how its layers are made in a folder."""

    name: str
    tag: str
    title: str
    config: ImageConfig
    layers: Callable[[Path], list[Layer]]
    base: str | None = None

    @property
    def reference(self) -> str:
        return f"{REGISTRY_NAME}/{self.name}:{self.tag}"


def node_images(found: Binaries, console: Console) -> list[Image]:
    """Return the images of the node's own add-ons: one static program each."""
    return [
        _pause(console),
        _busybox(found),
        _program("coredns", versions.COREDNS, found),
        _program("metrics-server", versions.METRICS_SERVER, found),
        _program("local-path-provisioner", versions.LOCAL_PATH_PROVISIONER, found),
    ]


def job_images(found: Binaries, console: Console) -> list[Image]:
    """Return the images for jobs, each after the one it stands on."""
    python = _python()
    base = f"{python.name}:{python.tag}"
    sklearn = Image(
        "sklearn",
        _digest(base, python_packages.recipe()),
        "scikit-learn, pandas, matplotlib and the MLflow client",
        ImageConfig(PYTHON_ENV, command=("python3",), user=PERSON),
        lambda work: [layer_of_entries(work / "packages.gz", python_packages.make(work))],
        base,
    )
    runner = Image(
        "runner",
        _digest(base, runner_files.recipe()),
        "what runs beside a job",
        ImageConfig((*PYTHON_ENV, "PYTHONPATH=/opt/mooring"), ("python3", "-m", "runner"), user=PERSON),
        lambda work: [layer_of_entries(work / "runner.gz", runner_files.make(work, gobuild.toolchain(console)))],
        base,
    )
    return [python, sklearn, runner, _minimal(found)]


def extension_images(found: Binaries) -> list[Image]:
    """Return the images of the cluster extension: the gateway's control plane and the proxy that it starts."""
    python = _python()
    base = f"{python.name}:{python.tag}"
    envoy = Image(
        "envoy",
        f"{versions.ENVOY}-{_digest(base, envoy_program.recipe())}",
        f"version {versions.ENVOY}",
        ImageConfig(entrypoint=("envoy",), user=GATEWAY_PERSON),
        lambda work: [layer_of_entries(work / "envoy.gz", envoy_program.make(work))],
        base,
    )
    return [_gateway(found), envoy]


def studio_images(found: Binaries) -> list[Image]:
    """Return the images of a studio in a cluster, each after the one it stands on: as deploy/images says, without a builder."""

    def helm(work: Path) -> Layer:
        return layer_of_entries(work / "helm.gz", [Entry(studio_image.HELM.lstrip("/"), source=found["helm"], mode=0o755)])

    version = dockerfile.read("studio").arguments["HELM_VERSION"]
    base = _debian("studio", version, name="studio-base", title="Debian and Helm", more=(helm,))
    packages = _above(base, "studio-packages", "the studio's Python packages", studio_image.packages_recipe(), studio_image.make_packages)
    studio = _above(packages, "studio", "the studio itself", studio_image.recipe(), studio_image.make)
    return [base, packages, studio, _debian("redis"), _debian("postgresql")]


def _debian(
    file: str, *recipe: str, name: str = "", title: str = "Debian's own", more: tuple[Callable[[Path], Layer], ...] = ()
) -> Image:
    """Return an image of the Debian packages that a Dockerfile names, and of more layers whose recipe is given."""

    def layers(work: Path) -> list[Layer]:
        return [layer_of_tar(work / "base.gz", studio_image.make_debian(file, work)), *(layer(work) for layer in more)]

    return Image(name or file, _digest(studio_image.debian_recipe(file), *recipe), title, dockerfile.read(file).config, layers)


def _above(base: Image, name: str, title: str, recipe: str, make: Callable[[Path], list[Entry]]) -> Image:
    """Return an image of one more layer on another, run in the same way."""

    def layers(work: Path) -> list[Layer]:
        return [layer_of_entries(work / f"{name}.gz", make(work))]

    return Image(name, _digest(base.tag, recipe), title, base.config, layers, f"{base.name}:{base.tag}")


def pause_reference() -> str:
    """Return the name of the image that holds a pod's namespaces."""
    return f"{REGISTRY_NAME}/pause:{_pause_tag()}"


def ensure_node_images(registry: str, found: Binaries, console: Console) -> dict[str, str]:
    """Make what the registry lacks of the node's own images; return name → reference."""
    return _ensure(registry, lambda: node_images(found, console), console)


def ensure_job_images(registry: str, found: Binaries, console: Console) -> dict[str, str]:
    """Make what the registry lacks of the images for jobs; return name → reference."""
    return _ensure(registry, lambda: job_images(found, console), console)


def ensure_extension_images(registry: str, found: Binaries, console: Console) -> dict[str, str]:
    """Make what the registry lacks of the extension's images; return name → reference. Those for jobs come first."""
    return _ensure(registry, lambda: extension_images(found), console)


def ensure_studio_images(registry: str, found: Binaries, console: Console) -> dict[str, str]:
    """Make what the registry lacks of the images of a studio in a cluster; return name → reference."""
    return _ensure(registry, lambda: studio_images(found), console)


def _ensure(address: str, images: Callable[[], list[Image]], console: Console) -> dict[str, str]:
    _wait_for_registry(address)
    registry = Registry(address)
    wanted = images()
    if any(not registry.has(image.name, image.tag) for image in wanted):
        with held(cache_folder() / "images.lock", "the images that another command makes", console):
            missing = [image for image in wanted if not registry.has(image.name, image.tag)]
            for number, image in enumerate(missing, 1):
                _make(image, registry, f"{number} of {len(missing)}", console)
    return {image.name: image.reference for image in wanted}


def _make(image: Image, registry: Registry, step: str, console: Console) -> None:
    folder = cache_folder() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    title = f"making the image {image.name} ({image.title}; {step})"
    with console.working(title), tempfile.TemporaryDirectory(dir=folder, prefix=f"{image.name}-") as work:
        Path(work).chmod(0o755)  # package tools work as users of their own
        layers = image.layers(Path(work))
        registry.push(image.name, image.tag, layers, image.config, base=image.base)


def _wait_for_registry(address: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = http.client.HTTPConnection(address, timeout=5)
            connection.request("GET", "/v2/")
            if connection.getresponse().status == 200:
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SandboxError(
                    "registry",
                    f"http://{address} does not answer: {error}.",
                    "Look at registry.log in the cluster's folder and run the command again.",
                ) from error
        finally:
            connection.close()
        time.sleep(0.2)


def _pause_tag() -> str:
    return _digest(*((HERE / "pause" / name).read_text() for name in ("go.mod", "main.go")))


def _pause(console: Console) -> Image:
    def layers(work: Path) -> list[Layer]:
        gobuild.build_static(HERE / "pause", work / "pause", console, what="pause")
        return [layer_of_entries(work / "pause.gz", [Entry("pause", source=work / "pause", mode=0o755)])]

    return Image(
        "pause",
        _pause_tag(),
        "holds a pod's namespaces",
        ImageConfig(entrypoint=("/pause",), user="65535:65535"),
        layers,
    )


def _python() -> Image:
    return Image(
        "python",
        _digest(debian_base.recipe()),
        "Debian with Python",
        ImageConfig(PYTHON_ENV, command=("python3",), user=PERSON),
        lambda work: [layer_of_tar(work / "base.gz", debian_base.make(work))],
    )


def _gateway(found: Binaries) -> Image:
    """Return the gateway's image: its chart and its sidecars start the program by name, and it writes below /tmp."""
    path = "usr/local/bin/envoy-gateway"

    def layers(work: Path) -> list[Layer]:
        entries = [*_skeleton(), Entry("var/lib/eg", mode=0o755, owner=65532), *_certificates()]
        entries.append(Entry(path, source=found["envoy-gateway"], mode=0o755))
        return [layer_of_entries(work / "gateway.gz", entries)]

    version = versions.ENVOY_GATEWAY
    config = ImageConfig(entrypoint=(f"/{path}",), user=GATEWAY_PERSON)
    return Image("envoy-gateway", f"{version}-{RECIPES}", f"version {version}", config, layers)


def _program(name: str, version: str, found: Binaries) -> Image:
    """Return an image with nothing but one static program and the machine's certificates."""

    def layers(work: Path) -> list[Layer]:
        entries = [Entry(name, source=found[name], mode=0o755), Entry("tmp", mode=0o1777), *_certificates()]
        return [layer_of_entries(work / "program.gz", entries)]

    return Image(name, f"{version}-{RECIPES}", f"version {version}", ImageConfig(entrypoint=(f"/{name}",), user=PERSON), layers)


def _busybox(found: Binaries) -> Image:
    """Return an image with a shell that brings every small tool along."""

    def layers(work: Path) -> list[Layer]:
        entries = [*_skeleton(), Entry("bin/busybox", source=found["busybox"], mode=0o755)]
        entries += [Entry(f"bin/{name}", link="busybox") for name in ("sh", *FEW_APPLETS)]
        return [layer_of_entries(work / "busybox.gz", entries)]

    config = ImageConfig(env=("PATH=/bin",), command=("/bin/sh",))
    return Image("busybox", _digest("busybox", *FEW_APPLETS), "a shell with every small tool", config, layers)


def _minimal(found: Binaries) -> Image:
    """Return an image with next to nothing: a job must run without bash, tee and Python, too.

    busybox as the shell would answer to every tool's name by itself, so the shell is another one.
    """

    def layers(work: Path) -> list[Layer]:
        entries = [*_skeleton(), Entry("lib", mode=0o755), Entry("bin/sh", source=found["mksh"], mode=0o755)]
        # busybox takes its program name for the applet: it needs one that it knows to be itself.
        entries += [Entry("lib/busybox", source=found["busybox"], mode=0o755)]
        entries += [Entry(f"bin/{name}", link="/lib/busybox") for name in FEW_APPLETS]
        return [layer_of_entries(work / "minimal.gz", entries)]

    config = ImageConfig(env=("PATH=/bin",), command=("/bin/sh",), user=PERSON)
    return Image("minimal", _digest("minimal", "mksh", *FEW_APPLETS), "a shell and next to nothing", config, layers)


def _certificates() -> list[Entry]:
    own = debian_base.CERTIFICATES
    return [Entry("etc/ssl/certs/ca-certificates.crt", source=own)] if own.exists() else []


def _skeleton() -> list[Entry]:
    passwd = b"root:x:0:0::/:/bin/sh\nmooring:x:1000:1000::/home:/bin/sh\n"
    folders = [Entry(folder, mode=0o755) for folder in ("bin", "etc", "home")]
    return [*folders, Entry("tmp", mode=0o1777), Entry("etc/passwd", content=passwd)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join((RECIPES, *parts)).encode()).hexdigest()[:12]
