"""Online endpoints on the real cluster, behind the real router over TLS: deployed, called, shifted, broken, deleted."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.databases import change
from compute.kube import kinds
from compute.kube.client import KubeClient
from mooring.client import Client
from mooring.errors import MooringProblem
from tests.cluster.extension import ensured
from tests.cluster.serving import (
    DEPLOYMENT,
    ENDPOINT,
    OWN_SERVER,
    SCRIPT,
    TRAIN,
    Caller,
    asking_all_the_time,
    deploy,
    remove_endpoint,
    routed,
    serving_folder,
    typed,
    until,
)
from tests.cluster.test_ways import ways
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def call(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Have the router there, and somebody who calls it."""
    caller = Caller(ensured(studio, tmp_path_factory.mktemp("router")))
    with caller.http:
        yield caller


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serving_folder(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="module")
def flowers(studio: Studio, call: Caller, folder: Path) -> Iterator[str]:
    """Have an endpoint with a deployment `blue` that gets all requests."""
    remove_endpoint(studio, "flowers")
    studio.client.endpoints.create_from_text(ENDPOINT.format(name="flowers"))
    deploy(studio, folder, "blue", all_traffic=True)
    routed(studio, "flowers")
    yield "flowers"
    remove_endpoint(studio, "flowers")


def test_it_answers_over_tls_with_either_key_and_with_no_other(studio: Studio, call: Caller, flowers: str) -> None:
    keys = studio.client.endpoints.keys(flowers)
    assert until(lambda: call(flowers, keys["primaryKey"]).status_code == 200)
    for key in keys.values():
        assert call(flowers, key).json() == {"sum": 6, "says": "hello", "who": "blue"}
    assert call(flowers).status_code == 401
    assert call(flowers, "not-a-key").status_code == 401
    assert call(flowers, keys["primaryKey"], path="swagger.json").json()["openapi"].startswith("3.")


def test_the_studio_calls_it_through_the_router(studio: Studio, call: Caller, flowers: str) -> None:
    answer = studio.client.endpoints.invoke(flowers, b'{"data": [4]}')
    assert (answer.status, answer.way, json.loads(answer.content).get("sum")) == (200, "router", 4), answer
    request = studio.data.parent / "sample.json"
    request.write_text('{"data": [1, 1]}')
    done = studio.cli("online-endpoint", "invoke", "-n", flowers, "-r", str(request))
    assert json.loads(done.stdout).get("sum") == 2, done


def test_a_key_never_comes_out_but_by_asking_for_it(studio: Studio, call: Caller, flowers: str) -> None:
    keys = studio.client.endpoints.keys(flowers)
    shown = json.dumps([dict(studio.client.endpoints.get(flowers).answer), dict(studio.client.deployments.get("blue", endpoint=flowers).answer)],
                       default=str)  # fmt: skip
    assert not any(key in shown or key in studio.log.read_text() for key in keys.values())


def test_traffic_is_shared_mirrored_and_bypassed_by_name(studio: Studio, call: Caller, flowers: str, folder: Path) -> None:
    key = studio.client.endpoints.keys(flowers)["primaryKey"]
    assert until(lambda: call(flowers, key).status_code == 200)
    with asking_all_the_time(lambda: call(flowers, key).status_code, callers=4) as seen:
        # Its first share, all of the other's, none again.
        deploy(studio, folder, "green", all_traffic=True)
        routed(studio, flowers)
        assert until(lambda: call(flowers, key).json()["who"] == "green")
        studio.client.endpoints.set_traffic(flowers, {"blue": 50, "green": 50})
        routed(studio, flowers)
        assert until(lambda: {call(flowers, key).json()["who"] for _ in range(20)} == {"blue", "green"})
        studio.client.endpoints.set_traffic(flowers, {"blue": 100})
        routed(studio, flowers)
        assert until(lambda: {call(flowers, key).json()["who"] for _ in range(10)} == {"blue"})
        time.sleep(1)
    assert set(seen) == {200}, seen
    assert call(flowers, key, deployment="green").json()["who"] == "green"
    assert call(flowers, key, deployment="purple").status_code == 404
    studio.client.endpoints.set_traffic(flowers, {"blue": 100}, mirror={"green": 100})
    routed(studio, flowers)

    def copied() -> bool:
        call(flowers, key, {"data": [0]})
        return b"POST /score 200" in studio.client.deployments.logs("green", endpoint=flowers, lines=3)

    assert until(copied)
    assert {call(flowers, key).json()["who"] for _ in range(10)} == {"blue"}
    with pytest.raises(MooringProblem) as refused:
        studio.client.deployments.delete("green", endpoint=flowers)
    assert refused.value.id == "deployment-has-traffic"
    studio.client.endpoints.set_traffic(flowers, mirror={})
    studio.client.deployments.delete("green", endpoint=flowers)
    assert studio.client.deployments.wait("green", endpoint=flowers, timeout_seconds=90) is None


def test_the_ids_of_a_request_go_to_the_replicas_log_and_back(studio: Studio, call: Caller, flowers: str) -> None:
    key = studio.client.endpoints.keys(flowers)["primaryKey"]
    assert until(lambda: call(flowers, key).status_code == 200)
    answer = call(flowers, key, x_ms_client_request_id="order-17")
    given = answer.headers["x-request-id"]
    assert answer.headers["x-ms-client-request-id"] == "order-17"
    assert until(lambda: f"id={given} client=order-17" in studio.client.deployments.logs("blue", endpoint=flowers).decode())
    # What run() raises is told to who asked by the id under which the log has it.
    raised = call(flowers, key, {"data": "no numbers"})
    told = raised.json()
    assert (raised.status_code, told["request_id"]) == (500, raised.headers["x-request-id"]), told
    assert until(lambda: f"Request {told['request_id']}: run() raised" in studio.client.deployments.logs("blue", endpoint=flowers).decode())


def test_the_command_line_does_all_there_is_to_do_with_a_deployment(
    studio: Studio, kube: KubeClient, call: Caller, flowers: str, folder: Path
) -> None:
    key = studio.client.endpoints.keys(flowers)["primaryKey"]
    (folder / "green.yml").write_text(DEPLOYMENT.format(name="green", endpoint=flowers, more=""))
    green = ("-n", "green", "-e", flowers)

    def said(group: str, verb: str, *words: str) -> Any:
        done = typed(studio, f"online-{group}", verb, *words, "-o", "json")
        assert done.exit_code == 0, (words, done.output, done.exception)
        return json.loads(done.stdout)

    def who() -> str:
        return str(call(flowers, key, deployment="green").json()["who"])

    assert said("deployment", "create", "-f", str(folder / "green.yml"))["status"] == "ready"
    shared = said("endpoint", "update", "-n", flowers, "--traffic", "blue=50 green=50")
    assert (shared["status"], shared["traffic"]) == ("ready", {"blue": 50, "green": 50})
    assert until(lambda: {call(flowers, key).json()["who"] for _ in range(20)} == {"blue", "green"})
    mirrored = said("endpoint", "update", "-n", flowers, "--traffic", "blue=100", "--mirror-traffic", "green=100")
    assert mirrored["mirror_traffic"] == {"green": 100}
    assert until(
        lambda: (
            call(flowers, key, x_ms_client_request_id="copied")
            and "client=copied" in typed(studio, "online-deployment", "get-logs", *green).stdout
        )
    )
    assert said("endpoint", "update", "-n", flowers, "--mirror-traffic", "green=0")["mirror_traffic"] == {}
    assert [one["traffic"] for one in said("endpoint", "list") if one["name"] == flowers] == [{"blue": 100}]
    assert said("endpoint", "show", flowers)["scoring_uri"].endswith(f"/{flowers}/score")

    assert said("deployment", "scale", *green, "-c", "2")["instance_count"] == 2
    changed = said("deployment", "update", *green, "--set", "environment_variables.WHO=green2")
    assert (changed["status"], changed["revision"], changed["instance_count"]) == ("ready", 2, 2)
    assert until(lambda: who() == "green2")
    assert said("deployment", "rollback", *green)["revision"] == 1
    assert until(lambda: who() == "green")

    # Its own deadline, and not the twenty minutes of others, ends a rollout; what kept it from being ready may come later.
    gate = f"gate-{uuid.uuid4().hex[:8]}"
    late = (
        "--set",
        f"environment_variables.GATE={gate}",
        "--set",
        "environment_variables.WHO=late",
        "--set",
        "rollout.deadline_seconds=10",
    )
    began = time.monotonic()
    failed = typed(studio, "online-deployment", "update", *green, *late, "-o", "json")
    assert failed.exit_code == 3 and time.monotonic() - began < 120, failed.stderr
    assert json.loads(failed.stdout)["revision"] == 1
    newest = said("deployment", "show", *green)["revisions"][0]
    assert (newest["number"], newest["problem"]["id"]) == (3, "deployment-not-ready-in-time") and "10 s" in newest["reason"]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": gate}, "spec": {"ports": [{"port": 80}]}}
    kube.create(kinds.SERVICE, service, studio.namespace)
    change(studio.data, "UPDATE endpoints_deployment SET rollout_deadline_seconds = 240 WHERE name = 'green'")
    assert said("deployment", "retry", *green)["revision"] == 3
    assert until(lambda: who() == "late")
    kube.delete(kinds.SERVICE, gate, studio.namespace)

    before = studio.client.endpoints.keys(flowers)["secondaryKey"]
    assert said("endpoint", "regenerate-keys", "-n", flowers, "--key-type", "secondary")["status"] == "regenerated"
    assert until(lambda: call(flowers, before).status_code == 401)
    assert call(flowers, studio.client.endpoints.keys(flowers)["secondaryKey"]).status_code == 200
    assert {one["name"] for one in said("deployment", "list", "-e", flowers)} == {"blue", "green"}
    assert said("deployment", "delete", *green, "--yes")["status"] == "deleted"
    assert {one["name"] for one in said("deployment", "list", "-e", flowers)} == {"blue"}
    assert call(flowers, key).json()["who"] == "blue"


def test_a_revision_that_fails_goes_back_by_itself_and_nobody_notices(studio: Studio, call: Caller, flowers: str, folder: Path) -> None:
    key = studio.client.endpoints.keys(flowers)["primaryKey"]
    assert until(lambda: call(flowers, key).status_code == 200)
    broken = folder / "onlinescoring" / "score.py"
    broken.write_text("def init():\n    raise RuntimeError('no such weights')\ndef run(raw):\n    return 1\n")
    path = folder / "blue.yml"
    path.write_text(DEPLOYMENT.format(name="blue", endpoint=flowers, more=""))
    try:
        with asking_all_the_time(lambda: call(flowers, key).status_code) as seen:
            wanted = studio.client.deployments.update("blue", path, endpoint=flowers).answer["wanted_revision"]
            now = studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=180)
    finally:
        broken.write_text(SCRIPT)
    assert now is not None and (now.status, now.revision) == ("ready", 1)
    assert f"revision {wanted} failed" in now.reason
    failed = next(one for one in now.revisions if one["number"] == wanted)
    assert failed["problem"]["id"] == "user-script-init-failed"
    assert "no such weights" in failed["evidence"]["pods"][0]["log"]["text"]
    assert failed["evidence"]["pods"][0]["events"]
    assert set(seen) == {200}, seen


def pods(studio: Studio, endpoint: str) -> list[Any]:
    return [*studio.client.deployments.get("blue", endpoint=endpoint).replicas]


def test_a_new_revision_scaling_a_rollout_and_new_keys_drop_no_request(studio: Studio, call: Caller, flowers: str) -> None:
    keys = studio.client.endpoints.keys(flowers)
    assert until(lambda: call(flowers, keys["primaryKey"]).status_code == 200)
    with asking_all_the_time(lambda: call(flowers, keys["primaryKey"]).status_code) as seen:
        studio.client.deployments.update("blue", endpoint=flowers, overrides=["environment_variables.WHO=blue2"])
        assert studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=120).status == "ready"  # type: ignore[union-attr]
        studio.client.deployments.scale("blue", 2, endpoint=flowers)
        studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=120)
        # The row of a pod follows the watch, a moment after its Deployment has counted it.
        assert until(lambda: studio.client.deployments.get("blue", endpoint=flowers).ready_replicas == 2)
        studio.client.deployments.scale("blue", 1, endpoint=flowers)
        studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=120)
        old = {one["pod"] for one in pods(studio, flowers)}
        studio.client.deployments.roll_out("blue", endpoint=flowers)
        assert studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=120).status == "ready"  # type: ignore[union-attr]
        assert until(lambda: {one["pod"] for one in pods(studio, flowers)}.isdisjoint(old))
        assert next(studio.client.deployments.follow("blue", endpoint=flowers, lines=5))
        studio.client.endpoints.regenerate_key(flowers, "secondary")
        routed(studio, flowers)
        renewed = studio.client.endpoints.keys(flowers)["secondaryKey"]
        assert until(lambda: call(flowers, renewed).status_code == 200)
        assert until(lambda: call(flowers, keys["secondaryKey"]).status_code == 401)
        studio.client.deployments.roll_back("blue", endpoint=flowers)
        back = studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=120)
        time.sleep(1)
    assert back is not None and back.revision == 1
    assert set(seen) == {200}, seen
    assert call(flowers, keys["primaryKey"]).json()["who"] == "blue"


def test_a_container_of_ones_own_answers_at_its_own_route_with_the_model_where_it_was_asked_for(
    studio: Studio, call: Caller, flowers: str, folder: Path
) -> None:
    # The image's own program is Python, which runs what its path has under this name before anything else.
    (folder / "server").mkdir()
    (folder / "server" / "sitecustomize.py").write_text(OWN_SERVER)
    text = f"""
name: own
endpoint_name: {flowers}
model: {{name: own-server, version: "1", path: ./server}}
model_mount_path: /srv/models
environment:
  image: {studio.images["python"]}
  inference_config:
    liveness_route: {{path: /live, port: 8080}}
    scoring_route: {{path: /predict, port: 8080}}
environment_variables: {{PYTHONPATH: /srv/models/own-server/1/server}}
resources: {{requests: {{cpu: 50m, memory: 64Mi}}, limits: {{cpu: "1", memory: 200Mi}}}}
instance_count: 2
rollout: {{retry: true}}
"""
    studio.client.deployments.create_from_text(text, folder=folder)
    made = studio.client.deployments.wait("own", endpoint=flowers, timeout_seconds=120)
    assert made is not None and made.status == "ready", made and made.reason
    assert made.model == "azureml:own-server:1"
    routed(studio, flowers)
    key = studio.client.endpoints.keys(flowers)["primaryKey"]
    assert until(lambda: call(flowers, key, deployment="own").status_code == 200)
    assert call(flowers, key, deployment="own").text == "own /predict"
    retries_are_switched(studio, call, flowers, key)
    with pytest.raises(MooringProblem) as refused:
        studio.client.endpoints.set_traffic(flowers, {"blue": 50, "own": 50})
    assert refused.value.id == "endpoint-routes-differ"
    studio.client.deployments.delete("own", endpoint=flowers)
    assert studio.client.deployments.wait("own", endpoint=flowers, timeout_seconds=90) is None


def retries_are_switched(studio: Studio, call: Caller, flowers: str, key: str) -> None:
    """With retries nobody notices a replica that refuses connections; without them callers do."""

    def status() -> int:
        return call(flowers, key, deployment="own").status_code

    assert until(lambda: studio.client.deployments.get("own", endpoint=flowers).ready_replicas == 2)
    pods = {one["pod"] for one in studio.client.deployments.get("own", endpoint=flowers).replicas}
    assert call(flowers, key, "refuse", deployment="own").status_code == 200
    assert {status() for _ in range(40)} == {200}
    assert typed(studio, "online-deployment", "update", "-n", "own", "-e", flowers, "--no-retry").exit_code == 0
    assert until(lambda: status() == 503, seconds=40)
    studio.client.deployments.edit("own", endpoint=flowers, retry=True)
    routed(studio, flowers)
    # A proxy follows a moment later: what it answers by then is not of retries.
    assert until(lambda: {status() for _ in range(40)} == {200}, seconds=40)
    assert {one["pod"] for one in studio.client.deployments.get("own", endpoint=flowers).replicas} == pods


def test_an_mlflow_model_of_a_job_is_served_without_code(studio: Studio, call: Caller, flowers: str) -> None:
    job = studio.submit(TRAIN)
    ended = studio.ended(job.name)
    assert ended.status == "Completed", studio.log_of(job.name)
    path = f"azureml://jobs/{job.name}/outputs/artifacts/paths/outputs/doubler"
    made = studio.client.models.register("doubler", path)
    assert made.type == "mlflow_model"
    image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
    yaml = f"name: nocode\nendpoint_name: {flowers}\nmodel: azureml:doubler@latest\nenvironment: {{image: {image}}}\n"
    studio.client.deployments.create_from_text(yaml)
    there = studio.client.deployments.wait("nocode", endpoint=flowers, timeout_seconds=180)
    assert there is not None and there.status == "ready", there and (there.reason, there.replicas)
    routed(studio, flowers)
    key = studio.client.endpoints.keys(flowers)["primaryKey"]
    body = {"input_data": {"columns": ["x"], "data": [[4], [10]]}}
    assert until(lambda: call(flowers, key, body, deployment="nocode").status_code == 200)
    assert [round(each, 6) for each in call(flowers, key, body, deployment="nocode").json()] == [8, 20]
    wrong = call(flowers, key, {"input_data": {"columns": ["y"], "data": [[4]]}}, deployment="nocode")
    assert wrong.status_code == 400 and "x" in wrong.text
    studio.client.deployments.delete("nocode", endpoint=flowers)
    assert studio.client.deployments.wait("nocode", endpoint=flowers, timeout_seconds=90) is None


@pytest.mark.parametrize("route", ["proxy", "port-forward"])
def test_model_and_code_are_carried_to_pods_that_cannot_call_the_studio(
    studio: Studio, call: Caller, flowers: str, folder: Path, route: str
) -> None:
    with ways(studio, route, False):
        deploy(studio, folder, "carried")
        routed(studio, flowers)
        key = studio.client.endpoints.keys(flowers)["primaryKey"]
        assert until(lambda: call(flowers, key, deployment="carried").status_code == 200)
        assert call(flowers, key, deployment="carried").json() == {"sum": 6, "says": "hello", "who": "carried"}
    studio.client.deployments.delete("carried", endpoint=flowers)
    assert studio.client.deployments.wait("carried", endpoint=flowers, timeout_seconds=90) is None


def test_pods_that_are_killed_cost_no_request_and_are_made_good(studio: Studio, kube: KubeClient, call: Caller, flowers: str) -> None:
    key = studio.client.endpoints.keys(flowers)["primaryKey"]
    studio.client.deployments.scale("blue", 2, endpoint=flowers)
    studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=120)
    # The row of a pod follows the watch, a moment after its Deployment has counted it.
    assert until(lambda: studio.client.deployments.get("blue", endpoint=flowers).ready_replicas == 2)
    assert until(lambda: call(flowers, key).status_code == 200)
    with asking_all_the_time(lambda: call(flowers, key).status_code) as seen:
        for pod in studio.client.deployments.get("blue", endpoint=flowers).replicas:
            kube.delete(kinds.POD, pod["pod"], studio.namespace, grace=0)
            until(lambda: studio.client.deployments.get("blue", endpoint=flowers).ready_replicas < 2)
            until(lambda: studio.client.deployments.get("blue", endpoint=flowers).ready_replicas == 2, seconds=60)
            time.sleep(2)
    assert set(seen) == {200}, seen
    studio.client.deployments.scale("blue", 1, endpoint=flowers)
    studio.client.deployments.wait("blue", endpoint=flowers, timeout_seconds=120)


def test_an_endpoint_is_never_open_without_a_key(studio: Studio, call: Caller, folder: Path) -> None:
    remove_endpoint(studio, "fresh")
    with asking_all_the_time(lambda: call("fresh").status_code) as seen:
        studio.client.endpoints.create_from_text(ENDPOINT.format(name="fresh"))
        deploy(studio, folder, "blue", endpoint="fresh", all_traffic=True)
        routed(studio, "fresh")
        key = studio.client.endpoints.keys("fresh")["primaryKey"]
        assert until(lambda: call("fresh", key).status_code == 200)
        studio.client.endpoints.regenerate_key("fresh", "primary")
        routed(studio, "fresh")
        studio.client.endpoints.delete("fresh")
        assert studio.client.endpoints.wait("fresh", timeout_seconds=120) is None
        time.sleep(1)
    assert set(seen) <= {401, 403, 404}, seen
    assert seen[401] > 20


def test_deleting_leaves_nothing(studio: Studio, kube: KubeClient, call: Caller, folder: Path) -> None:
    remove_endpoint(studio, "gone")
    studio.client.endpoints.create_from_text(ENDPOINT.format(name="gone"))
    deploy(studio, folder, "blue", endpoint="gone", all_traffic=True)
    routed(studio, "gone")
    listed = (kinds.HTTP_ROUTE, kinds.SECURITY_POLICY, kinds.TRAFFIC_POLICY, kinds.ROUTE_FILTER, kinds.SECRET, kinds.SERVICE,
              kinds.DEPLOYMENT, kinds.POD)  # fmt: skip
    labels: dict[str, str | None] = {"mooring.dev/endpoint": "gone"}
    there = [kind.name for kind in listed if kube.list(kind, studio.namespace, labels=labels)]
    assert there == [kind.name for kind in listed]
    studio.cli("online-endpoint", "delete", "-n", "gone", "--yes")
    assert [kind.name for kind in listed if kube.list(kind, studio.namespace, labels=labels)] == []


def test_the_second_of_two_workspaces_is_told_that_the_address_is_taken(studio: Studio, call: Caller, flowers: str) -> None:
    name = f"other-{uuid.uuid4().hex[:6]}"
    studio.client.workspaces.create(name, display_name="Other")
    with Client(studio.url, studio.token, workspace=name) as other:
        other.computes.attach("local", cluster=studio.cluster, namespace=f"{studio.namespace}-{name}", create_namespace=True)
        studio.until(lambda: other.computes.get("local").status == "ready", what="the compute to be ready")
        with pytest.raises(MooringProblem) as refused:
            other.endpoints.create_from_text(ENDPOINT.format(name=flowers))
    assert refused.value.id == "endpoint-name-taken-on-router"


def test_another_studios_address_is_not_taken_either(studio: Studio, kube: KubeClient, call: Caller, namespace: str) -> None:
    labels = {"mooring.dev/endpoint": "theirs", "mooring.dev/studio": "another", "app.kubernetes.io/managed-by": "mooring"}
    rules = [{"matches": [{"path": {"type": "Exact", "value": "/api/v1/endpoint/theirs/score"}}]}]
    parents = [{"name": "mooring-router", "namespace": "mooring-system"}]
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "me-9", "namespace": namespace, "labels": labels},
             "spec": {"parentRefs": parents, "rules": rules}}  # fmt: skip
    kube.create(kinds.HTTP_ROUTE, route, namespace)
    remove_endpoint(studio, "theirs")
    studio.client.endpoints.create_from_text(ENDPOINT.format(name="theirs"))
    endpoint = studio.client.endpoints.wait("theirs", timeout_seconds=60)
    assert endpoint is not None and endpoint.problem and endpoint.problem["id"] == "endpoint-name-taken-on-router"
    studio.client.endpoints.delete("theirs")
    assert studio.client.endpoints.wait("theirs", timeout_seconds=60) is None
