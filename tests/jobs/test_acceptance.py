"""The original's public job files are submitted with nothing but the compute replaced, or refused for what is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from studio.assets.services import set_image_rule
from tests.conftest import People
from tests.jobs.spec.test_acceptance import ROWS, SNAPSHOT, Snapshot

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("compute", "studio_address"),
    pytest.mark.skipif(not SNAPSHOT, reason="set MOORING_AZML_EXAMPLES to a clone of Azure/azureml-examples"),
]
BASICS = "cli/jobs/basics"
# What needs no more than a command, its code, and inputs that are values.
TAKEN = {
    f"{BASICS}/{name}.yml"
    for name in ("hello-world", "hello-world-env-var", "hello-world-input", "hello-world-output", "hello-code", "hello-iris-literal", "hello-mlflow")
}  # fmt: skip
# What a command job may lack here: parts that are not there yet, and images that an operator has not named.
LACKING = {"job-needs-not-there", "job-image-unknown"}


@pytest.fixture
def check(people: People, client_for: Callable[..., Client]) -> Callable[[str], Any]:
    """Return what asks the studio whether it takes a file of the examples, with images for the names that they use."""
    for position, pattern in enumerate(("*sklearn*", "mcr.microsoft.com/azureml/*"), start=1):
        set_image_rule(people.operator, pattern=pattern, image="registry/sklearn:1", position=position)
    client, snapshot = client_for(people.contributor), Snapshot(Path(SNAPSHOT))

    def ask(path: str) -> Any:
        body = {"yaml": snapshot.read(path).decode(), "set": ["compute=local"]}
        return client.post("/api/v1/workspaces/team/jobs/validate", body, content_type="application/json")

    return ask


@pytest.mark.parametrize("path", [path for path, kind, _ in ROWS if kind == "job.command"])
def test_a_public_command_job_is_taken_or_refused_for_what_is_not_there(check: Callable[[str], Any], path: str) -> None:
    answer = check(path)
    if path in TAKEN:
        assert (answer.status_code, answer.json()["compute"]) == (200, "local"), answer.content
        return
    told = [answer.json(), *answer.json().get("errors", [])]
    assert answer.status_code == 422 and LACKING & {each.get("id") for each in told}, told


@pytest.mark.parametrize("path", [path for path, kind, _ in ROWS if kind.startswith(("job.", "empty")) and kind != "job.command"])
def test_a_public_job_of_another_kind_is_refused_by_its_name(check: Callable[[str], Any], path: str) -> None:
    answer = check(path)
    assert answer.status_code == 422 and answer.json()["id"] in ("spec-kind-not-supported", "spec-empty"), answer.content
