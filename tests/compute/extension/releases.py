"""Releases as Helm keeps them, and a Helm that only keeps them: `python releases.py upgrade …` against a fake API server."""

from __future__ import annotations

import base64
import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
RELEASE, NAMESPACE = "mooring-extension", "mooring-system"
SETTINGS_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RELEASE, "namespace": NAMESPACE}}


def packed(revision: int, status: str, *, manifest: str = "", **values: Any) -> str:
    """Return a release as Helm writes it into a Secret."""
    body = {
        "name": RELEASE,
        "version": revision,
        "info": {"status": status, "description": "Install complete" if status == "deployed" else f"it is {status}"},
        "chart": {"metadata": {"name": RELEASE, "version": "0.1.0", "dependencies": [{"name": "gateway-helm", "version": "1.9.1"}]}},
        "config": {"studio": "abc", **values},
        "manifest": manifest
        or "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: mooring-router}\n---\n# nothing\n",
        "hooks": [{"manifest": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: certgen}\n"}],
    }
    return base64.b64encode(base64.b64encode(gzip.compress(json.dumps(body).encode()))).decode()


def secret(revision: int, status: str, *, modified: int = 1_700_000_000, manifest: str = "", **values: Any) -> dict[str, Any]:
    """Return the Secret of one revision."""
    labels = {"owner": "helm", "name": RELEASE, "status": status, "version": str(revision), "modifiedAt": str(modified)}
    metadata = {"name": f"sh.helm.release.v1.{RELEASE}.v{revision}", "namespace": NAMESPACE, "labels": labels}
    release = packed(revision, status, manifest=manifest, **values)
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"release": release}}


def install_program(folder: Path) -> str:
    """Write a program that calls itself Helm 4 and return its path."""
    path = folder / "helm"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests.compute.extension.releases import main\nmain()\n"
    )
    path.chmod(0o755)
    return str(path)


def main() -> None:
    """Do what Helm does to its own records, and make the one object of the release."""
    verb = sys.argv[1]
    if verb == "version":
        print("v4.2.0")
        return
    import yaml

    if verb == "template":
        place = Path(sys.argv[sys.argv.index("--output-dir") + 1])
        place.mkdir()
        (place / "settings.yaml").write_text(yaml.safe_dump(SETTINGS_MAP))
        return
    from compute.kube import kinds
    from compute.kube.client import KubeClient
    from compute.kube.config import connection

    with KubeClient(connection(Path(os.environ["KUBECONFIG"]).read_text())) as client:
        found = sorted(
            client.list(kinds.SECRET, NAMESPACE, labels={"owner": "helm"}), key=lambda each: int(each["metadata"]["labels"]["version"])
        )
        if verb == "uninstall":
            for each in found:
                client.delete(kinds.SECRET, each["metadata"]["name"], NAMESPACE)
            client.delete(kinds.CONFIG_MAP, RELEASE, NAMESPACE)
            return
        number = int(found[-1]["metadata"]["labels"]["version"]) + 1 if found else 1
        for each in found:
            if each["metadata"]["labels"]["status"] == "deployed":
                client.patch(kinds.SECRET, each["metadata"]["name"], {"metadata": {"labels": {"status": "superseded"}}}, NAMESPACE)
        values = yaml.safe_load(Path(sys.argv[sys.argv.index("--values") + 1]).read_text()) if verb == "upgrade" else {}
        if (values.get("settings") or {}).get("nodeSelector", {}).get("break"):
            client.create(kinds.SECRET, secret(number, "failed", **values), NAMESPACE)
            print("Error: the cluster does not want it", file=sys.stderr)
            sys.exit(1)
        manifest = f"# {verb} {number}\n" + yaml.safe_dump(SETTINGS_MAP | {"data": {"settings": json.dumps(values.get("settings"))}})
        annotations = {"meta.helm.sh/release-name": RELEASE, "meta.helm.sh/release-namespace": NAMESPACE}
        kept = SETTINGS_MAP | {"metadata": SETTINGS_MAP["metadata"] | {"annotations": annotations}}
        client.apply(kinds.CONFIG_MAP, kept, NAMESPACE)
        client.create(kinds.SECRET, secret(number, "deployed", manifest=manifest, **values), NAMESPACE)
        print(f"{verb}: done")
