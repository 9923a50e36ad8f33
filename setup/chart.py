"""Write what the chart of the studio takes from the code: the rights of its roles, and the custom resource.

A test holds the files against the code; this makes them anew: python setup/chart.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compute import permissions  # noqa: E402
from compute.manifests import instance_type_crd, rules  # noqa: E402

CHART = ROOT / "deploy" / "charts" / "mooring"
RIGHTS = {
    "cluster": [*permissions.CLUSTER_NEEDS, *permissions.ADDRESS_NEEDS],
    "compute": [*permissions.JOB_NEEDS, *permissions.ENDPOINT_NEEDS],
    "namespaces": permissions.NAMESPACE_NEEDS,
    "extension": permissions.EXTENSION_NEEDS,
    "router": permissions.ROUTER_NEEDS,
}


def files() -> dict[Path, str]:
    """Return each file with what is to stand in it."""
    made = {CHART / "rights" / f"{name}.yaml": rules(needs) for name, needs in RIGHTS.items()}
    return {**made, CHART / "crds" / "instancetypes.yaml": _plain(instance_type_crd())}


def _plain(manifest: object) -> str:
    """Return YAML without references from one part of it to another."""
    return yaml.safe_dump(json.loads(json.dumps(manifest)), sort_keys=False, width=140)


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
