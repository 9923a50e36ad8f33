"""The public examples of the original for Kubernetes endpoints are read as they are; they are not part of this repository."""

import subprocess
from pathlib import Path

import pytest

from endpoints import spec
from tests.jobs.spec.test_acceptance import SNAPSHOT, Beside, Snapshot

pytestmark = pytest.mark.skipif(not SNAPSHOT, reason="set MOORING_AZML_EXAMPLES to a clone of Azure/azureml-examples")
FOLDER = "cli/endpoints/online/kubernetes"
# Every YAML of the folder, with the fields of which it is said that they do nothing here.
WARNED = {
    "kubernetes-endpoint.yml": [],
    "kubernetes-blue-deployment.yml": [],
    "kubernetes-green-deployment.yml": ["app_insights_enabled", "scale_settings"],
}


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot(Path(SNAPSHOT))


def yamls_of(snapshot: Snapshot) -> set[str]:
    if snapshot.bare:
        command = ["git", "-C", str(snapshot.root), "ls-tree", "--name-only", "HEAD", f"{FOLDER}/"]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return {Path(name).name for name in names if name.endswith(".yml")}
    return {path.name for path in (snapshot.root / FOLDER).rglob("*.yml")}


def test_no_example_for_kubernetes_endpoints_is_left_out(snapshot: Snapshot) -> None:
    assert yamls_of(snapshot) == set(WARNED)


@pytest.mark.parametrize("name", WARNED)
def test_an_example_for_kubernetes_endpoints_is_taken_with_the_warnings_it_deserves(snapshot: Snapshot, name: str) -> None:
    path = f"{FOLDER}/{name}"
    text = snapshot.read(path)
    if name == "kubernetes-endpoint.yml":
        endpoint = spec.load_endpoint(text)
        assert (endpoint.model.name, endpoint.model.compute_name, endpoint.model.auth_mode) == ("my-endpoint", "inferencecompute", "key")
        assert [warning.path for warning in endpoint.warnings] == WARNED[name]
        return
    loaded = spec.load_deployment(text, folder=Beside(snapshot, path))
    assert [warning.path for warning in loaded.warnings] == WARNED[name]
    # The packages of the conda file need an image rule; nothing else is asked of an operator.
    assert loaded.needs == {"environment-conda"}
    number = "1" if loaded.model.name == "blue" else "2"
    assert [local.path for local in loaded.local_paths] == [f"../model-{number}/model", f"../model-{number}/onlinescoring"]
    again = spec.load_deployment(spec.dump_values(dict(loaded.document.value)))
    assert again.model == loaded.model
