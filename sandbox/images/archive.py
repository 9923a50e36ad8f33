"""Write images as OCI archives, which containerd, podman and skopeo read without any registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

from sandbox.console import Console
from sandbox.oci import MANIFEST, Registry


def export(address: str, images: dict[str, str], folder: Path, console: Console) -> list[Path]:
    """Write each image to ``folder``/<name>.oci.tar; import one with ``ctr -n k8s.io images import``."""
    folder.mkdir(parents=True, exist_ok=True)
    registry = Registry(address)
    written = []
    for name, reference in images.items():
        target = folder / f"{name}.oci.tar"
        with console.working(f"writing {target}"):
            _write(registry, name, reference, target)
        written.append(target)
    return written


def _write(registry: Registry, name: str, reference: str, target: Path) -> None:
    tag = reference.rsplit(":", 1)[1]
    manifest = registry.manifest(name, tag)
    body = json.dumps(manifest, sort_keys=True).encode()
    digest = hashlib.sha256(body).hexdigest()
    described = {
        "mediaType": MANIFEST,
        "digest": f"sha256:{digest}",
        "size": len(body),
        "annotations": {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": tag},
    }
    index = {"schemaVersion": 2, "manifests": [described]}
    unfinished = target.with_suffix(".part")
    with tarfile.open(unfinished, "w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(archive, "index.json", json.dumps(index).encode())
        _add(archive, f"blobs/sha256/{digest}", body)
        for blob in [manifest["config"], *manifest["layers"]]:
            with tempfile.TemporaryFile(dir=target.parent) as file:
                registry.copy_blob(name, blob["digest"], file)
                size = file.tell()
                file.seek(0)
                info = tarfile.TarInfo(f"blobs/sha256/{blob['digest'].removeprefix('sha256:')}")
                info.size = size
                archive.addfile(info, file)
    unfinished.replace(target)


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
