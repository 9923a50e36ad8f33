"""Make OCI images from files and push them to the local registry, with the standard library only.

The forms are those of https://github.com/opencontainers/image-spec and https://github.com/opencontainers/distribution-spec.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sandbox.errors import SandboxError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EPOCH = "1970-01-01T00:00:00Z"
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Layer:
    """A compressed layer on disk with both of its digests."""

    path: Path
    digest: str
    diff_id: str
    size: int


@dataclass(frozen=True)
class Entry:
    """One file, folder or link of a layer; owned by root, without a date, so that layers repeat byte by byte."""

    path: str
    source: Path | None = None
    content: bytes | None = None
    link: str | None = None
    mode: int = 0o644
    owner: int = 0

    @property
    def is_folder(self) -> bool:
        return self.source is None and self.content is None and self.link is None


@dataclass(frozen=True)
class ImageConfig:
    """What a container of the image starts with unless its pod says otherwise."""

    env: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    folder: str = "/"
    labels: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"Env": list(self.env), "WorkingDir": self.folder}
        if self.entrypoint:
            found["Entrypoint"] = list(self.entrypoint)
        if self.command:
            found["Cmd"] = list(self.command)
        if self.user:
            found["User"] = self.user
        if self.labels:
            found["Labels"] = self.labels
        return found


class _Measured(io.RawIOBase):
    """Pass bytes on to a file and keep their digest and number."""

    def __init__(self, below: IO[bytes]) -> None:
        self.below = below
        self.hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self.hash.update(block)
        self.size += len(block)
        return self.below.write(block)


def write_layer(path: Path, fill: Callable[[IO[bytes]], None]) -> Layer:
    """Write what ``fill`` produces, an uncompressed tar, as one compressed layer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        outer = _Measured(file)
        with gzip.GzipFile(filename="", mode="wb", fileobj=outer, compresslevel=1, mtime=0) as packed:
            inner = _Measured(packed)  # type: ignore[arg-type]
            fill(inner)  # type: ignore[arg-type]
    return Layer(path, f"sha256:{outer.hash.hexdigest()}", f"sha256:{inner.hash.hexdigest()}", outer.size)


def layer_of_entries(path: Path, entries: Iterable[Entry]) -> Layer:
    """Write a layer of single files."""

    def fill(sink: IO[bytes]) -> None:
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for entry in sorted(entries, key=lambda entry: entry.path):
                _add(archive, entry)

    return write_layer(path, fill)


def layer_of_tar(path: Path, tar: Path) -> Layer:
    """Compress a tar that another program has made."""

    def fill(sink: IO[bytes]) -> None:
        with tar.open("rb") as source:
            while block := source.read(CHUNK):
                sink.write(block)

    return write_layer(path, fill)


def entries_below(folder: Path, target: str) -> list[Entry]:
    """Return the entries that put a folder's files below ``target``."""
    found = [Entry(target.lstrip("/"), mode=0o755)]
    for path in sorted(folder.rglob("*")):
        name = f"{target.strip('/')}/{path.relative_to(folder).as_posix()}"
        if path.is_symlink():
            found.append(Entry(name, link=str(path.readlink())))
        elif path.is_dir():
            found.append(Entry(name, mode=0o755))
        else:
            found.append(Entry(name, source=path, mode=0o755 if path.stat().st_mode & 0o100 else 0o644))
    return found


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
    if entry.is_folder:
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    elif entry.link is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        archive.addfile(info)
    elif entry.content is not None:
        info.size = len(entry.content)
        archive.addfile(info, io.BytesIO(entry.content))
    elif entry.source is not None:
        info.size = entry.source.stat().st_size
        with entry.source.open("rb") as file:
            archive.addfile(info, file)


class Registry:
    """The local registry's side of pushing and asking."""

    def __init__(self, address: str) -> None:
        self.address = address

    def has(self, name: str, tag: str) -> bool:
        """Tell whether an image is there."""
        status, _, _ = self._ask("HEAD", f"/v2/{name}/manifests/{tag}", headers={"Accept": MANIFEST})
        return status == 200

    def manifest(self, name: str, tag: str) -> dict[str, Any]:
        """Return an image's manifest."""
        status, _, body = self._ask("GET", f"/v2/{name}/manifests/{tag}", headers={"Accept": MANIFEST})
        if status != 200:
            raise _refused(f"GET manifest of {name}:{tag}", status, body)
        found: dict[str, Any] = json.loads(body)
        return found

    def blob(self, name: str, digest: str) -> bytes:
        """Return one blob; meant for configurations, not for layers."""
        status, _, body = self._ask("GET", f"/v2/{name}/blobs/{digest}")
        if status != 200:
            raise _refused(f"GET {digest} of {name}", status, body)
        return body

    def copy_blob(self, name: str, digest: str, sink: IO[bytes]) -> None:
        """Write one blob to an open file, a block at a time."""
        connection = self._connection()
        try:
            connection.request("GET", f"/v2/{name}/blobs/{digest}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise _refused(f"GET {digest} of {name}", answer.status, answer.read())
            while block := answer.read(CHUNK):
                sink.write(block)
        finally:
            connection.close()

    def push(self, name: str, tag: str, layers: list[Layer], config: ImageConfig, *, base: str | None = None) -> str:
        """Push an image made of ``layers``, on top of ``base`` (name:tag) when given; return its digest."""
        lower, diff_ids = self._base(name, base) if base else ([], [])
        for layer in layers:
            with layer.path.open("rb") as file:
                self._push_blob(name, layer.digest, file, layer.size)
        described = {
            "created": EPOCH,
            "architecture": architecture(),
            "os": "linux",
            "config": config.as_dict(),
            "rootfs": {"type": "layers", "diff_ids": diff_ids + [layer.diff_id for layer in layers]},
        }
        packed = json.dumps(described, sort_keys=True).encode()
        digest = f"sha256:{hashlib.sha256(packed).hexdigest()}"
        self._push_blob(name, digest, io.BytesIO(packed), len(packed))
        upper = [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest, "size": len(packed)},
            "layers": lower + upper,
        }
        body = json.dumps(manifest, sort_keys=True).encode()
        status, headers, answer = self._ask("PUT", f"/v2/{name}/manifests/{tag}", body=body, headers={"Content-Type": MANIFEST})
        if status != 201:
            raise _refused(f"PUT manifest of {name}:{tag}", status, answer)
        return str(headers.get("Docker-Content-Digest", ""))

    def _base(self, name: str, base: str) -> tuple[list[dict[str, Any]], list[str]]:
        base_name, base_tag = base.split(":")
        manifest = self.manifest(base_name, base_tag)
        config = json.loads(self.blob(base_name, manifest["config"]["digest"]))
        for layer in manifest["layers"]:
            status, _, body = self._ask("POST", f"/v2/{name}/blobs/uploads/?mount={layer['digest']}&from={base_name}", headers={})
            if status != 201:
                raise _refused(f"take over {layer['digest']} from {base}", status, body)
        return manifest["layers"], config["rootfs"]["diff_ids"]

    def _push_blob(self, name: str, digest: str, content: IO[bytes], size: int) -> None:
        status, _, _ = self._ask("HEAD", f"/v2/{name}/blobs/{digest}")
        if status == 200:
            return
        status, headers, body = self._ask("POST", f"/v2/{name}/blobs/uploads/")
        if status != 202:
            raise _refused(f"begin an upload to {name}", status, body)
        place = headers["Location"].split(self.address, 1)[-1]
        joint = "&" if "?" in place else "?"
        status, _, body = self._ask(
            "PUT",
            f"{place}{joint}digest={digest}",
            body=content,
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
        )
        if status != 201:
            raise _refused(f"push {digest} to {name}", status, body)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=120)

    def _ask(self, method: str, path: str, *, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except OSError as error:
            raise SandboxError(
                "registry", f"http://{self.address} does not answer: {error}.", "Run “python -m sandbox up” again."
            ) from error
        finally:
            connection.close()


def architecture() -> str:
    """Return this machine's architecture in the words of the OCI."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def _refused(what: str, status: int, body: bytes) -> SandboxError:
    return SandboxError(
        "registry",
        f"the local registry answered {status} to “{what}”: {body[:300].decode(errors='replace')}",
        "Look at the registry's log in the cluster's folder; “python -m sandbox images --rebuild” makes images anew.",
    )
