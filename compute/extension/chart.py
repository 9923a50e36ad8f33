"""Put the chart together in a folder: our own, the dependency from a folder or an OCI registry, and the CRDs beside it."""

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from compute.extension.helm import Helm, HelmFailed

OWN = Path(__file__).resolve().parents[2] / "deploy" / "charts" / "mooring-extension"
DEPENDENCY = "gateway-helm"
GATEWAY_API_CRDS = "gateway-api-crds.yaml"
ENVOY_GATEWAY_CRDS = "envoy-gateway-crds.yaml"
PULL_SECONDS = 120.0
# The archive is 0.6 MB; this only keeps a wrong file from filling the disk.
MOST_BYTES = 64 * 1024 * 1024

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


OCI = "oci://"


class ChartUnusable(Exception):
    """The charts are not there or not what they should be; the text says which."""


@dataclass(frozen=True)
class Source:
    """Where the dependency comes from: a folder, else an OCI repository, else where our own chart says."""

    folder: Path | None = None
    repository: str = ""
    # A file as `docker login` and `helm registry login` write it.
    login: str = ""
    plain_http: bool = False


@dataclass(frozen=True)
class Assembled:
    """A chart ready for Helm, and the definitions that go before it."""

    folder: Path
    version: str
    gateway_api_crds: list[dict[str, Any]]
    envoy_gateway_crds: list[dict[str, Any]]


def source_of(settings: Any) -> Source:
    """Return where the studio's settings say that the dependency comes from; raises ChartUnusable."""
    given = str(settings.EXTENSION_CHARTS).strip()
    if not given.startswith(OCI) and "://" in given:
        raise ChartUnusable(f"{given} is neither a folder nor a repository of the form {OCI}registry/path.")
    is_oci = given.startswith(OCI)
    return Source(
        folder=Path(given) if given and not is_oci else None,
        repository=given.rstrip("/").removesuffix(f"/{DEPENDENCY}") if is_oci else "",
        login=str(settings.EXTENSION_CHARTS_LOGIN),
        plain_http=bool(settings.EXTENSION_CHARTS_PLAIN_HTTP),
    )


def own_version() -> str:
    """Return the version of our own chart."""
    return str(_chart_yaml(OWN)["version"])


def assemble(helm: Helm, source: Source, *, router: bool) -> Assembled:
    """Put the chart together in Helm's own folder; without the router it has no dependency."""
    folder = helm.folder / "chart"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(OWN, folder)
    if not router:
        about = _chart_yaml(folder)
        about.pop("dependencies")
        _write(folder, about)
        return Assembled(folder, "", [], [])
    wanted = _chart_yaml(folder)["dependencies"][0]
    archive = _in_folder(source.folder, str(wanted["version"])) if source.folder else _pulled(helm, wanted, source)
    dependency = _unpacked(archive, folder / "charts")
    crds = _definitions(source.folder, dependency / "charts" / "crds" / "crds")
    _slimmed(dependency)
    about = _chart_yaml(folder)
    version = str(_chart_yaml(dependency)["version"])
    about["dependencies"][0]["version"] = version
    _write(folder, about)
    return Assembled(folder, f"{DEPENDENCY}-{version}", *crds)


def _in_folder(folder: Path, version: str) -> Path:
    found = sorted(folder.glob(f"{DEPENDENCY}-*.tgz"))
    if not found:
        raise ChartUnusable(f"There is no {DEPENDENCY}-<version>.tgz in the folder {folder}.")
    named = [each for each in found if each.stem.removeprefix(f"{DEPENDENCY}-").lstrip("v") == version.lstrip("v")]
    if named:
        return named[0]
    if len(found) > 1:
        raise ChartUnusable(f"The folder {folder} has several {DEPENDENCY}-<version>.tgz and none of version {version}.")
    return found[0]


def _pulled(helm: Helm, wanted: dict[str, Any], source: Source) -> Path:
    """Pull the dependency; the tag is the version with or without its `v`, as whoever pushed it wrote it."""
    place = helm.folder / "pulled"
    address = f"{source.repository or wanted['repository']}/{wanted['name']}"
    version = str(wanted["version"])
    more = ["--plain-http"] if source.plain_http else []
    if source.login:
        if not Path(source.login).is_file():
            raise ChartUnusable(f"There is no file {source.login} to sign in at the registry with.")
        more += ["--registry-config", source.login]
    refusals: list[str] = []
    for tag in (version, version.removeprefix("v") if version.startswith("v") else f"v{version}"):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            helm.run(["pull", address, "--version", tag, "--destination", str(place), *more], seconds=PULL_SECONDS)
        except HelmFailed as error:
            refusals.append(error.text)
            if "not found" not in error.text:
                break
        else:
            return next(place.glob("*.tgz"))
    raise ChartUnusable(f"{address} {version} could not be pulled: {refusals[0]}")


def _unpacked(archive: Path, into: Path) -> Path:
    try:
        with tarfile.open(archive) as tar:
            if sum(member.size for member in tar.getmembers()) > MOST_BYTES:
                raise ChartUnusable(f"{archive.name} is larger than a chart.")
            _extract(tar, into)
    except (tarfile.TarError, OSError) as error:
        raise ChartUnusable(f"{archive.name} cannot be read: {error}") from error
    folder = into / DEPENDENCY
    if not (folder / "Chart.yaml").is_file():
        raise ChartUnusable(f"{archive.name} is not the chart {DEPENDENCY}.")
    return folder


def _extract(tar: tarfile.TarFile, into: Path) -> None:
    """Write the files of an archive below a folder: Pythons before 3.11.4, as Debian's, have no `extractall` that can be trusted."""
    for member in tar.getmembers():
        inside = PurePosixPath(member.name)
        if inside.is_absolute() or ".." in inside.parts:
            raise ChartUnusable(f"The archive has a path that leads out of its folder: {member.name}")
        content = tar.extractfile(member) if member.isfile() else None
        if content is not None:
            target = into / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as file:
                shutil.copyfileobj(content, file)


def _definitions(given: Path | None, inside: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the Gateway API's and Envoy Gateway's definitions: files of the preloaded folder, else those in the chart."""
    found: list[list[dict[str, Any]]] = []
    for name, group in ((GATEWAY_API_CRDS, "gateway.networking"), (ENVOY_GATEWAY_CRDS, "gateway.envoyproxy.io")):
        if given and (given / name).is_file():
            files = [given / name]
        else:
            files = sorted(inside.rglob("*.yaml"))
        rows = [each for file in files for each in _documents(file) if str(each["spec"]["group"]).startswith(group)]
        if not rows:
            raise ChartUnusable(f"There are no definitions of {group}* in {given / name if given else 'the chart'}.")
        found.append(rows)
    return found[0], found[1]


def _documents(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as text:
        loaded = list(yaml.load_all(text, Loader=_LOADER))
    return [each for each in loaded if isinstance(each, dict) and each.get("kind") == "CustomResourceDefinition"]


def _slimmed(dependency: Path) -> None:
    """Take the definitions out of the dependency: Helm would keep their megabytes in each revision's Secret."""
    shutil.rmtree(dependency / "charts", ignore_errors=True)
    (dependency / "Chart.lock").unlink(missing_ok=True)
    about = _chart_yaml(dependency)
    about.pop("dependencies", None)
    _write(dependency, about)


def _chart_yaml(folder: Path) -> dict[str, Any]:
    about = yaml.load((folder / "Chart.yaml").read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 a safe loader
    assert isinstance(about, dict)
    return about


def _write(folder: Path, about: dict[str, Any]) -> None:
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")
