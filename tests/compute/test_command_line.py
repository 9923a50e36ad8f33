"""`mooring cluster`, `compute` and `instance-type` against the real services and an API server that answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from compute import probing
from compute.models import Cluster
from compute.services import clusters as services
from mooring.cli.app import app
from mooring.errors import MooringError
from studio.accounts.models import ApiToken, User, Workspace
from studio.audit.models import Entry
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., Result]


@pytest.fixture
def run(operator: User, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command as the operator."""
    monkeypatch.setenv("MOORING_URL", live_server.url)
    monkeypatch.setenv("MOORING_TOKEN", ApiToken.issue(operator, name="laptop")[1])
    return lambda *words, stdin="": CliRunner().invoke(app, words, input=stdin)


def told(answer: Result) -> Any:
    assert answer.exit_code == 0, answer.output + repr(answer.exception)
    return json.loads(answer.stdout)


def test_a_cluster_is_renamed_and_another_address_asks_for_credentials(run: Run, cluster: Cluster) -> None:
    assert told(run("cluster", "update", "local", "--new-name", "edge", "-o", "json"))["name"] == "edge"
    assert Entry.objects.get(verb="renamed").via == "cli"
    refused = run("cluster", "update", "edge", "--server", "https://10.9.9.9:6443")
    assert isinstance(refused.exception, MooringError) and refused.exception.id == "credentials-needed-again"
    assert run("cluster", "update", "edge").exit_code == 2


def test_credentials_are_replaced_from_standard_input_and_never_shown(run: Run, cluster: Cluster, fakekube: FakeKube) -> None:
    answer = run("cluster", "replace-credentials", "local", "-f", "-", "--no-wait", "-o", "json", stdin=fakekube.kubeconfig())
    assert told(answer)["name"] == "local" and not any(token in answer.output for token in fakekube.tokens)
    assert Entry.objects.filter(verb__contains="credentials", via="cli").exists()


def test_a_cluster_is_looked_at_again_and_what_was_found_is_said(run: Run, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cluster.probed_at
    left = run("cluster", "probe", "local", "--no-wait", "-o", "json")
    assert told(left)["name"] == "local" and Cluster.objects.get().probed_at == before
    # The worker's part.
    monkeypatch.setattr(services, "nudge", lambda name, pk: probing.probe_cluster(pk) if name == "compute.probe_cluster" else None)
    looked = run("cluster", "probe", "local")
    assert looked.exit_code == 0 and "log route" in looked.stdout
    assert Cluster.objects.get().probed_at != before and Entry.objects.filter(verb="asked to check", via="cli").count() == 2


def test_a_compute_is_changed_in_place_and_what_is_not_given_stays(run: Run, cluster: Cluster, workspace: Workspace) -> None:
    assert run("compute", "attach", "gpu", "-c", "local", "-w", "demo", "--run-as-root", "--no-wait").exit_code == 0
    before = workspace.computes.get()
    changed = told(run("compute", "update", "gpu", "-w", "demo", "--new-name", "big", "--description", "A100", "--no-wait", "-o", "json"))
    assert (changed["name"], changed["description"], changed["run_as_root"]) == ("big", "A100", True)
    assert workspace.computes.get().namespace == before.namespace and before.run_as_root
    assert run("compute", "update", "big", "-w", "demo").exit_code == 2


def test_a_compute_is_attached_by_a_line_of_the_original(run: Run, cluster: Cluster, workspace: Workspace) -> None:
    place = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/local"
    line = ["compute", "attach", "-g", "g", "--workspace-name", "demo", "--name", "k8s", "--resource-id", place, "--namespace", "team-k8s"]
    answer = run(*line, "--type", "Kubernetes", "--identity-type", "SystemAssigned", "--no-wait")
    assert answer.exit_code == 0 and "--identity-type SystemAssigned means nothing" in answer.stderr
    made = workspace.computes.get()
    assert (made.name, made.cluster, made.namespace) == ("k8s", cluster, "team-k8s")
    assert run("compute", "attach", "x", "-w", "demo").exit_code == run(*line, "--type", "AmlCompute").exit_code == 2


def test_an_instance_type_becomes_the_default_and_no_longer_is(run: Run, cluster: Cluster) -> None:
    for name in ("small", "large"):
        assert run("instance-type", "create", name, "-c", "local", "--cpu", "1", "--memory", "1Gi").exit_code == 0
    assert told(run("instance-type", "set-default", "small", "-c", "local", "-o", "json"))["default"] is True
    assert told(run("instance-type", "set-default", "large", "-c", "local", "-o", "json"))["default"] is True
    assert [one["name"] for one in told(run("instance-type", "list", "-c", "local", "-o", "json")) if one["default"]] == ["large"]
    assert told(run("instance-type", "set-default", "large", "--none", "-c", "local", "-o", "json"))["default"] is False


def test_a_file_that_cannot_be_read_is_said_before_anything_is_sent(run: Run, cluster: Cluster, tmp_path: Path) -> None:
    refused = run("cluster", "replace-credentials", "local", "-f", str(tmp_path / "none"))
    assert isinstance(refused.exception, MooringError) and refused.exception.id == "file-unreadable"
