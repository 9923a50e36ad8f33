"""Envoy Gateway's chart and custom resource definitions, taken from its Go module into the cache.

The module holds the chart as its makers keep it, with the image's name and the version still to be filled in. Nothing of
it is in this repository.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

from sandbox import gobuild, versions
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.locks import held
from sandbox.places import cache_folder, write_text

MODULE = "github.com/envoyproxy/gateway"
IMAGE = "docker.io/envoyproxy/gateway"
TODO = "Check that Go modules can be fetched here and run the command again."
GATEWAY_API, ENVOY_GATEWAY, SAFE_UPGRADES = "gateway-api-crds.yaml", "envoy-gateway-crds.yaml", "gateway-api-safe-upgrades.yaml"
STANDARD = "charts/gateway-crds-helm/templates/standard-gatewayapi-crds.yaml"
OWN = "charts/gateway-helm/charts/crds/crds/generated"


def folder() -> Path:
    """Return where the chart and the definitions lie."""
    return cache_folder() / "charts" / f"envoy-gateway-{versions.ENVOY_GATEWAY}"


def files() -> tuple[str, ...]:
    """Return what lies there when it is whole."""
    return (f"gateway-helm-{versions.ENVOY_GATEWAY}.tgz", GATEWAY_API, ENVOY_GATEWAY, SAFE_UPGRADES)


def are_there() -> bool:
    """Tell whether nothing is missing."""
    return all((folder() / name).is_file() for name in files())


def ensure(console: Console) -> Path:
    """Return the folder of the chart, made when it is missing; everything in it appears at once."""
    if are_there():
        return folder()
    with held(cache_folder() / "charts.lock", "the charts that another command makes", console):
        if not are_there():
            with console.working(f"taking the chart of Envoy Gateway {versions.ENVOY_GATEWAY} from its Go module"):
                _make(console)
    return folder()


def _make(console: Console) -> None:
    base = cache_folder() / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base, prefix="charts-") as text:
        work = Path(text)
        module = gobuild.download(f"{MODULE}@v{versions.ENVOY_GATEWAY}", work / "modules", console)
        write(module, versions.ENVOY_GATEWAY, work / "made")
        folder().parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder(), ignore_errors=True)
        (work / "made").rename(folder())


def write(module: Path, version: str, target: Path) -> None:
    """Write the packaged chart and the definitions of a module's folder."""
    target.mkdir(parents=True)
    package(module / "charts" / "gateway-helm", version, target / f"gateway-helm-{version}.tgz")
    definitions, others = _by_kind(_without_template((module / STANDARD).read_text()))
    write_text(target / GATEWAY_API, definitions)
    write_text(target / SAFE_UPGRADES, others)
    write_text(target / ENVOY_GATEWAY, "".join(path.read_text() for path in sorted((module / OWN).glob("*.yaml"))))


def package(chart: Path, version: str, target: Path) -> None:
    """Pack a chart as ``helm package`` does, its version and its image filled in, the same bytes each time."""
    values = (chart / "values.tmpl.yaml").read_text()
    values = values.replace("${GatewayImage}", f"{IMAGE}:v{version}").replace("${GatewayImagePullPolicy}", "IfNotPresent")
    if "${" in values:
        raise SandboxError("charts", f"{chart}/values.tmpl.yaml has a field that is not known here.", "Use another version.")
    described = re.sub(r"(?m)^version: .*$", f"version: {version}", (chart / "Chart.yaml").read_text())
    described = re.sub(r"(?m)^appVersion: .*$", f'appVersion: "v{version}"', described)
    contents = {"Chart.yaml": described.encode(), "values.yaml": values.encode()}
    for path in chart.rglob("*"):
        name = path.relative_to(chart).as_posix()
        if path.is_file() and ".tmpl." not in name and name not in contents:
            contents[name] = path.read_bytes()
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in ("Chart.yaml", *sorted(set(contents) - {"Chart.yaml"})):
            info = tarfile.TarInfo(f"{chart.name}/{name}")
            info.size = len(contents[name])
            archive.addfile(info, io.BytesIO(contents[name]))


def _without_template(text: str) -> str:
    """Return a template's text without the one condition around all of it."""
    lines = [line for line in text.splitlines() if not re.fullmatch(r"\{\{- (if .*|end) \}\}", line)]
    if any("{{" in line for line in lines):
        raise SandboxError("charts", f"{STANDARD} is more of a template than expected.", "Use another version.")
    return "\n".join(lines) + "\n"


def _by_kind(text: str) -> tuple[str, str]:
    """Return the custom resource definitions of a manifest, and what else is in it."""
    definitions: list[str] = []
    others: list[str] = []
    for document in re.split(r"(?m)^---\s*$", text):
        found = re.search(r"(?m)^kind: (\S+)", document)
        if found:
            (definitions if found[1] == "CustomResourceDefinition" else others).append(f"---\n{document.strip()}\n")
    return "".join(definitions), "".join(others)
