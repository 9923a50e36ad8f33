"""Operations: begun by people, worked on in legs, and taken up again from what the release in the cluster says."""

import base64
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from compute.connections import kube_client
from compute.extension import health, operations, selectors, services
from compute.extension.legs import Hold, Lost, held
from compute.extension.models import Extension, ExtensionOperation
from compute.extension.observe import Seen
from compute.extension.release import history
from compute.kube import kinds
from compute.manifests import namespace
from compute.models import Cluster, Compute, StudioIdentity
from compute.router import NAMESPACE, router_of
from studio.accounts.models import User, Workspace
from studio.audit.models import Entry
from studio.core.errors import ProblemError, ProblemList
from tests.compute.extension.releases import install_program, secret
from tests.compute.network.pki import family
from tests.fakekube import FakeKube

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TRAINING = {"enableTraining": True}
ROUTER = {"enableInference": True, "inferenceRouterServiceType": "nodePort", "inferenceRouterHA": False, "allowInsecureConnections": True}


@pytest.fixture(autouse=True)
def with_helm(settings: Any, tmp_path: Path, cluster: Cluster) -> None:
    """Give the studio a Helm that keeps releases, and the cluster its namespace."""
    settings.HELM = install_program(tmp_path)
    settings.EXTENSION_CHARTS = ""
    kube_client(cluster).apply(kinds.NAMESPACE, namespace(NAMESPACE, studio=StudioIdentity.get()))


def problems_of(error: ProblemList) -> dict[str, str]:
    return {each.problem.id: each.field or "" for each in error.errors}


def done(operation: ExtensionOperation) -> ExtensionOperation:
    operations.run_operation(operation.pk)
    operation.refresh_from_db()
    return operation


def installed(operator: User, cluster: Cluster, **settings: Any) -> Extension:
    operation = done(services.install_extension(operator, cluster, settings=TRAINING | settings))
    assert operation.status == "done", operation.problem
    return Extension.objects.get(cluster=cluster)


def test_it_is_installed_and_becomes_revision_one(operator: User, cluster: Cluster) -> None:
    row = installed(operator, cluster)
    assert (row.status, row.revision, row.settings["enableTraining"]) == ("ready", 1, True)
    assert row.revisions.get().charts["mooring-extension"] == "0.1.0"
    entry = Entry.objects.filter(target_kind="cluster").latest("pk")
    assert entry.verb == "began to install the extension" and entry.diff["enableTraining"] == ["", True]


def test_settings_are_refused_as_a_whole_and_nothing_is_kept(operator: User, cluster: Cluster, settings: Any) -> None:
    settings.HELM = "/nowhere/helm"
    with pytest.raises(ProblemList) as refused:
        services.install_extension(operator, cluster, settings={"enableInference": True, "colour": "blue"})
    assert problems_of(refused.value)["extension-setting-invalid"] and "extension-helm-missing" in problems_of(refused.value)
    assert not ExtensionOperation.objects.exists()


def test_high_availability_takes_three_nodes_that_fit(operator: User, cluster: Cluster, fakekube: FakeKube) -> None:
    with pytest.raises(ProblemList) as refused:
        services.check_settings(cluster, ROUTER | {"inferenceRouterHA": True})
    assert problems_of(refused.value) == {"extension-few-nodes": "inferenceRouterHA"}
    with pytest.raises(ProblemList) as refused:
        services.check_settings(cluster, ROUTER | {"nodeSelector": {"pool": "none"}})
    assert problems_of(refused.value) == {"extension-few-nodes": "nodeSelector.pool"}


def test_tls_takes_a_certificate_or_a_secret_of_the_right_type(operator: User, cluster: Cluster) -> None:
    tls = {"enableInference": True, "inferenceRouterServiceType": "nodePort", "inferenceRouterHA": False, "sslCname": "ml.example.com"}
    with pytest.raises(ProblemList) as refused:
        services.check_settings(cluster, tls)
    assert problems_of(refused.value) == {"extension-certificate-missing": "sslSecret"}
    with pytest.raises(ProblemList) as refused:
        services.check_settings(cluster, tls | {"sslSecret": "own"})
    assert problems_of(refused.value) == {"extension-secret-unusable": "sslSecret"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "type": "Opaque"}
    kube_client(cluster).create(kinds.SECRET, body, NAMESPACE)
    with pytest.raises(ProblemList, match=r"it takes kubernetes\.io/tls"):
        services.check_settings(cluster, tls | {"sslSecret": "own"})
    made = family(("ml.example.com",))
    for name, chain, key in (("fits", made.chain, made.leaf.key), ("strange", made.chain, family().leaf.key)):
        data = {"tls.crt": base64.b64encode(chain.encode()).decode(), "tls.key": base64.b64encode(key.encode()).decode()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data}
        kube_client(cluster).create(kinds.SECRET, body, NAMESPACE)
    for given in ({"sslSecret": "strange"}, {"sslSecret": "fits", "sslCname": "other.example.com"}):
        with pytest.raises(ProblemList) as refused:
            services.check_settings(cluster, tls | given)
        assert set(problems_of(refused.value).values()) == {"sslSecret"}
        assert problems_of(refused.value).keys() <= {"certificate-key-mismatch", "certificate-name-mismatch"}
    assert services.check_settings(cluster, tls | {"sslSecret": "fits"})


def test_another_studios_release_is_left_alone(operator: User, cluster: Cluster) -> None:
    kube_client(cluster).create(kinds.SECRET, secret(1, "deployed", studio="other"), NAMESPACE)
    with pytest.raises(ProblemList) as refused:
        services.install_extension(operator, cluster, settings=TRAINING)
    assert "extension-owned-elsewhere" in problems_of(refused.value)


def test_one_thing_is_done_at_a_time(operator: User, cluster: Cluster) -> None:
    services.install_extension(operator, cluster, settings=TRAINING)
    with pytest.raises(ProblemError) as refused:
        services.install_extension(operator, cluster, settings=TRAINING)
    assert refused.value.problem.id == "extension-busy"


def test_a_change_and_a_rollback_are_revisions(operator: User, cluster: Cluster) -> None:
    row = installed(operator, cluster)
    done(services.change_extension(operator, cluster, settings={"nodeSelector.pool": "ml"}))
    row.refresh_from_db()
    assert (row.revision, row.settings["nodeSelector"]) == (2, {"pool": "ml"})
    assert "pool" in selectors.manifest_difference(row.revisions.get(number=1), row.revisions.get(number=2))
    assert selectors.workload_placement(cluster) == ({"pool": "ml"}, [])
    done(services.roll_back_extension(operator, cluster, revision=1))
    row.refresh_from_db()
    assert (row.revision, row.settings["nodeSelector"], row.revisions.get(number=3).of) == (3, {}, 1)
    with pytest.raises(ProblemError) as refused:
        services.roll_back_extension(operator, cluster, revision=9)
    assert refused.value.problem.id == "extension-revision-none"


def test_what_helm_refuses_is_told_and_what_stood_stays_in_force(operator: User, cluster: Cluster) -> None:
    installed(operator, cluster)
    operation = done(services.change_extension(operator, cluster, settings={"nodeSelector.break": "yes"}))
    row = Extension.objects.get(cluster=cluster)
    assert (operation.status, operation.problem["id"]) == ("failed", "extension-helm-failed")
    assert operation.problem["text"] == "the cluster does not want it" and "Error:" in operation.output
    assert (row.status, row.revision, row.settings["nodeSelector"]) == ("degraded", 1, {})


def test_a_release_that_stands_is_not_brought_twice(operator: User, cluster: Cluster) -> None:
    operation = services.install_extension(operator, cluster, settings=TRAINING)
    ExtensionOperation.objects.filter(pk=operation.pk).update(status="running", helm_before=0)
    manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: mooring-system}\n"
    kube_client(cluster).create(kinds.SECRET, secret(1, "deployed", manifest=manifest, studio=StudioIdentity.get()), NAMESPACE)
    assert done(operation).status == "done"
    assert [each.revision for each in history(kube_client(cluster))] == [1]


def test_a_half_install_is_taken_away_and_begun_anew(operator: User, cluster: Cluster) -> None:
    operation = services.install_extension(operator, cluster, settings=TRAINING)
    ExtensionOperation.objects.filter(pk=operation.pk).update(status="running", helm_before=0)
    kube_client(cluster).create(kinds.SECRET, secret(1, "pending-install", studio=StudioIdentity.get()), NAMESPACE)
    assert done(operation).status == "done"
    assert [(each.revision, each.status) for each in history(kube_client(cluster))] == [(1, "deployed")]


def test_a_half_change_goes_back_to_what_stood_and_is_begun_anew(operator: User, cluster: Cluster) -> None:
    installed(operator, cluster)
    operation = services.change_extension(operator, cluster, settings={"nodeSelector.pool": "ml"})
    ExtensionOperation.objects.filter(pk=operation.pk).update(status="running", helm_before=1)
    kube_client(cluster).create(kinds.SECRET, secret(2, "pending-upgrade", studio=StudioIdentity.get()), NAMESPACE)
    assert done(operation).status == "done"
    assert [(each.revision, each.status) for each in history(kube_client(cluster))][-2:] == [(3, "superseded"), (4, "deployed")]
    assert Extension.objects.get(cluster=cluster).revisions.get(number=2).helm_revision == 4


@pytest.mark.parametrize(
    ("kind", "status"), [("change", "pending-rollback"), ("rollback", "pending-upgrade"), ("remove", "pending-rollback")]
)
def test_a_release_left_pending_is_mended_by_whatever_is_done_next(operator: User, cluster: Cluster, kind: str, status: str) -> None:
    installed(operator, cluster)
    done(services.change_extension(operator, cluster, settings={"nodeSelector.pool": "ml"}))
    kube_client(cluster).create(kinds.SECRET, secret(3, status, studio=StudioIdentity.get()), NAMESPACE)
    begin = {
        "change": lambda: services.change_extension(operator, cluster, settings={"nodeSelector.pool": "other"}),
        "rollback": lambda: services.roll_back_extension(operator, cluster, revision=1),
        "remove": lambda: services.remove_extension(operator, cluster),
    }
    assert done(begin[kind]()).status == "done"
    left = [(each.revision, each.status) for each in history(kube_client(cluster))][-2:]
    assert left == ([] if kind == "remove" else [(4, "superseded"), (5, "deployed")])
    selector = {"change": {"pool": "other"}, "rollback": {}, "remove": None}[kind]
    assert Extension.objects.get(cluster=cluster).settings.get("nodeSelector") == selector


def test_a_change_killed_when_it_was_almost_done_takes_nothing_away(operator: User, cluster: Cluster) -> None:
    installed(operator, cluster)
    operation = services.change_extension(operator, cluster, settings={"nodeSelector.pool": "ml"})
    ExtensionOperation.objects.filter(pk=operation.pk).update(status="running", helm_before=1)
    client = kube_client(cluster)
    client.patch(kinds.SECRET, history(client)[0].name, {"metadata": {"labels": {"status": "superseded"}}}, NAMESPACE)
    client.create(kinds.SECRET, secret(2, "pending-upgrade", studio=StudioIdentity.get()), NAMESPACE)
    assert done(operation).status == "done"
    assert [(each.revision, each.status) for each in history(client)][-2:] == [(3, "superseded"), (4, "deployed")]


def test_a_worker_that_is_killed_when_it_has_mended_does_not_take_that_for_the_change(
    operator: User, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(operator, cluster)
    operation = services.change_extension(operator, cluster, settings={"nodeSelector.pool": "ml"})
    ExtensionOperation.objects.filter(pk=operation.pk).update(status="running", helm_before=1)
    kube_client(cluster).create(kinds.SECRET, secret(2, "pending-upgrade", studio=StudioIdentity.get()), NAMESPACE)
    run = operations.Helm.run

    def killed(helm: Any, arguments: Any, **how: Any) -> str:
        printed = run(helm, arguments, **how)
        if arguments[0] == "rollback":
            raise Lost
        return printed

    monkeypatch.setattr(operations.Helm, "run", killed)
    assert done(operation).status == "running"
    monkeypatch.setattr(operations.Helm, "run", run)
    assert done(operation).status == "done"
    row = Extension.objects.get(cluster=cluster)
    assert row.settings["nodeSelector"] == {"pool": "ml"} and row.revisions.get(number=2).helm_revision == 4


def test_a_removal_that_was_cut_off_is_ended_by_the_next_leg_and_gone_back_from_by_a_rollback(operator: User, cluster: Cluster) -> None:
    client = kube_client(cluster)
    for kind in ("remove", "rollback"):
        row = installed(operator, cluster)
        client.patch(kinds.SECRET, history(client)[-1].name, {"metadata": {"labels": {"status": "uninstalling"}}}, NAMESPACE)
        if kind == "remove":
            operation = services.remove_extension(operator, cluster)
            ExtensionOperation.objects.filter(pk=operation.pk).update(status="running")
            assert done(operation).status == "done" and history(client) == []
        else:
            assert done(services.roll_back_extension(operator, cluster, revision=row.revision)).status == "done"
            assert history(client)[-1].status == "deployed"


def test_a_revision_that_newer_ones_pushed_out_of_helms_history_cannot_be_brought_back(operator: User, cluster: Cluster) -> None:
    installed(operator, cluster)
    client = kube_client(cluster)
    client.delete(kinds.SECRET, history(client)[0].name, NAMESPACE)
    client.create(kinds.SECRET, secret(9, "deployed", studio=StudioIdentity.get()), NAMESPACE)
    assert done(services.change_extension(operator, cluster, settings={"nodeSelector.pool": "ml"})).status == "done"
    with pytest.raises(ProblemError) as refused:
        services.roll_back_extension(operator, cluster, revision=1)
    assert refused.value.problem.id == "extension-revision-gone"


def test_the_routers_names_are_looked_up_when_settings_are_checked(operator: User, cluster: Cluster) -> None:
    client = kube_client(cluster)
    metadata = {"name": "mooring-router"}
    client.create(
        kinds.SERVICE, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}, NAMESPACE
    )
    with pytest.raises(ProblemList) as refused:
        services.check_settings(cluster, ROUTER)
    assert problems_of(refused.value) == {"extension-name-in-use": "enableInference"}
    assert "Service mooring-system/mooring-router" in refused.value.errors[0].text
    own = {"gateway.envoyproxy.io/owning-gateway-name": "mooring-router", "gateway.envoyproxy.io/owning-gateway-namespace": NAMESPACE}
    client.patch(kinds.SERVICE, "mooring-router", {"metadata": {"labels": own}}, NAMESPACE)
    assert services.check_settings(cluster, ROUTER)


def test_every_name_of_the_rendered_chart_is_looked_up_before_anything_is_touched(operator: User, cluster: Cluster) -> None:
    client = kube_client(cluster)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mooring-extension"}}
    client.create(kinds.CONFIG_MAP, body, NAMESPACE)
    operation = done(services.install_extension(operator, cluster, settings=TRAINING))
    assert (operation.status, operation.problem["id"]) == ("failed", "extension-name-in-use")
    assert "ConfigMap mooring-system/mooring-extension" in operation.problem["text"] and history(client) == []
    client.delete(kinds.CONFIG_MAP, "mooring-extension", NAMESPACE)
    assert installed(operator, cluster).revision == 1


def test_a_wrong_place_of_the_charts_ends_it_with_what_to_set(operator: User, cluster: Cluster, settings: Any) -> None:
    settings.EXTENSION_CHARTS = "https://charts.example/mooring"
    operation = done(services.install_extension(operator, cluster, settings=TRAINING))
    assert (operation.status, operation.problem["id"]) == ("failed", "extension-charts-missing")
    assert "oci://" in operation.problem["text"] and "MOORING_EXTENSION_CHARTS" in operation.problem["todo"]


def test_somebody_elses_helm_is_waited_for(operator: User, cluster: Cluster) -> None:
    installed(operator, cluster)
    operation = services.change_extension(operator, cluster, settings={"nodeSelector.pool": "ml"})
    left = secret(2, "pending-upgrade", modified=int(time.time()), studio=StudioIdentity.get())
    kube_client(cluster).create(kinds.SECRET, left, NAMESPACE)
    operation = done(operation)
    assert operation.status == "running" and "Helm is at work on it" in operation.reason
    kube_client(cluster).patch(kinds.SECRET, left["metadata"]["name"], {"metadata": {"labels": {"modifiedAt": "1700000000"}}}, NAMESPACE)
    assert done(operation).status == "done"


def test_a_cluster_that_does_not_answer_is_waited_for(operator: User, cluster: Cluster, fakekube: FakeKube) -> None:
    operation = services.install_extension(operator, cluster, settings=TRAINING)
    fakekube.fail(503)
    operation = done(operation)
    assert operation.status == "running" and operation.reason.startswith("Waiting:")
    fakekube.heal()
    assert done(operation).status == "done"


def test_two_workers_do_not_work_on_one_operation(operator: User, cluster: Cluster) -> None:
    operation = services.install_extension(operator, cluster, settings=TRAINING)
    with held(operation.pk) as mine, held(operation.pk) as second:
        assert mine is not None and second is None
        assert done(operation).status == "waiting"
    assert done(operation).status == "done"


def test_removing_takes_the_release_away_and_its_revisions_with_it(operator: User, cluster: Cluster) -> None:
    row = installed(operator, cluster)
    assert done(services.remove_extension(operator, cluster)).status == "done"
    row.refresh_from_db()
    assert (row.status, row.revision, row.settings) == ("absent", 0, {})
    assert not row.revisions.get().kept and history(kube_client(cluster)) == []
    assert router_of(cluster).problem_id == "extension-absent"
    assert installed(operator, cluster).revision == 2


def test_it_is_not_removed_while_endpoints_need_it(operator: User, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(operator, cluster)
    monkeypatch.setitem(services.ROUTED, "test", lambda cluster: ["demo/scores"])
    with pytest.raises(ProblemError) as refused:
        services.remove_extension(operator, cluster)
    assert refused.value.problem.id == "extension-in-use" and "demo/scores" in refused.value.text
    assert done(services.remove_extension(operator, cluster, force=True)).status == "done"


def test_detaching_removes_it_first(operator: User, cluster: Cluster) -> None:
    from compute.services import detach_cluster
    from compute.services.clusters import finish_detach

    installed(operator, cluster)
    detach_cluster(operator, cluster)
    finish_detach(cluster.pk)
    operation = ExtensionOperation.objects.latest("pk")
    assert operation.kind == "remove" and done(operation).status == "done"
    for _ in range(20):
        finish_detach(cluster.pk)
        if not Cluster.objects.exists():
            return
        time.sleep(0.1)
    raise AssertionError(Cluster.objects.get().reason)


def test_what_is_gone_from_the_cluster_shows_as_degraded_and_comes_back(operator: User, cluster: Cluster) -> None:
    row = installed(operator, cluster)
    kube_client(cluster).delete(kinds.CONFIG_MAP, "mooring-extension", NAMESPACE)
    health.watch_extension(row.pk)
    row.refresh_from_db()
    assert (row.status, row.problem_id) == ("degraded", "extension-degraded") and "ConfigMap mooring-extension" in row.reason
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mooring-extension"}}
    kube_client(cluster).create(kinds.CONFIG_MAP, body, NAMESPACE)
    health.watch_extension(row.pk)
    row.refresh_from_db()
    assert (row.status, row.reason) == ("ready", "")


def test_jobs_run_where_training_is_on_or_nothing_is_said(operator: User, cluster: Cluster, workspace: Workspace) -> None:
    assert selectors.takes_jobs(cluster)
    row = installed(operator, cluster)
    assert selectors.takes_jobs(cluster)
    Extension.objects.filter(pk=row.pk).update(settings={"enableInference": True})
    assert not selectors.takes_jobs(cluster)
    with pytest.raises(ProblemError) as refused:
        selectors.check_takes_endpoints(Compute(cluster=Cluster(name="other", pk=0)).cluster)
    assert refused.value.problem.id == "extension-absent"


def test_a_load_balancer_that_gives_no_address_is_told_before_the_deadline_of_all(operator: User, cluster: Cluster) -> None:
    operation = services.install_extension(operator, cluster, settings=TRAINING)
    operation.settings = ROUTER | {"inferenceRouterServiceType": "loadBalancer"}
    waiting = [Seen("Service", "mooring-router", NAMESPACE, "pending"), Seen("Gateway", "mooring-router", NAMESPACE, "pending")]
    found = []
    for seconds in (100, 130, 610):
        operation.submitted_at = timezone.now() - timedelta(seconds=seconds)
        problem = operations._Leg(operation, Hold(operation.pk))._too_late(waiting, "waits")
        found.append(problem.problem.id if problem else "")
    assert found == ["", "extension-no-address", "extension-no-address"]
    broken = [*waiting, Seen("Deployment", "mooring-router", NAMESPACE, "failed")]
    operation.submitted_at = timezone.now() - timedelta(seconds=130)
    assert operations._Leg(operation, Hold(operation.pk))._too_late(broken, "waits") is None
    operation.submitted_at = timezone.now() - timedelta(seconds=610)
    late = operations._Leg(operation, Hold(operation.pk))._too_late(broken, "Deployment mooring-router: ImagePullBackOff")
    assert late is not None and late.problem.id == "extension-not-ready" and "ImagePullBackOff" in late.text
