"""Fill a studio's database with people, clusters, jobs, models and endpoints in every state: pages without a cluster.

`python -m tests.furnish` furnishes the studio of MOORING_DATA (`--migrate` makes its tables first) and prints a session of each person.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta
from typing import Any

PASSWORD = "a long password for tests"
PLANTED = "planted-secret-of-the-cluster"
CPU, GIB = 1000, 1024**3
_TYPE = {"resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}}
_GPU = {"resources": {"limits": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}}, "nodeSelector": {"gpu": "a100"}}
_JOBS = (
    ("Running", "Train the classifier", "flowers", 3, None),
    ("Queued", "", "flowers", None, None),
    ("Failed", "Evaluate on the hold-out set", "flowers", 90, 60),
    ("Completed", "Baseline", "flowers", 190, 150),
    ("Completed", "", "Default", 900, 810),
    ("CancelRequested", "A sweep that takes too long", "flowers", 30, None),
    ("Canceled", "", "Default", 2000, 1990),
)
# The objects of the extension as they were seen last: those that do something, then some that only have to be there.
_HEALTH = [
    {"kind": kind, "name": name, "namespace": "mooring-system", "state": "ready", "text": text}
    for kind, name, text in (
        ("Deployment", "envoy-gateway", "1 of 1 ready"), ("Deployment", "mooring-router", "3 of 3 ready"),
        ("Service", "mooring-router", "LoadBalancer 10.0.1.9"), ("Gateway", "mooring-router", "takes requests at 10.0.1.9"),
        ("GatewayClass", "mooring", "accepted"), ("SecurityPolicy", "mooring-deny", "accepted"), ("EnvoyProxy", "mooring-router", ""),
        ("ConfigMap", "envoy-gateway-config", ""), ("ServiceAccount", "envoy-gateway", ""), ("ClusterRole", "mooring-envoy-gateway", ""),
        ("RoleBinding", "mooring-envoy-gateway", ""),
    )
]  # fmt: skip
_REASONS = {
    "Queued": "Waiting: 1 GPU needed, 0 free on gpu-a",
    "Failed": "The command ended with exit code 1",
    "CancelRequested": "Asked for by the-contributor",
}


def furnish(now: datetime) -> dict[str, Any]:
    """Make the rows; return those that tests go on with."""
    people, team = _people()
    ready, lost = _clusters(people["operator"], now)
    compute = _computes(team, ready, lost)
    _jobs(team, compute, people, now)
    _models(team, people["contributor"])
    _endpoints(team, compute, people["contributor"], now)
    _notices(people, now)
    _audit(team, ready, people)
    return {"people": people, "workspace": team, "compute": compute, "clusters": (ready, lost)}


def _people() -> tuple[dict[str, Any], Any]:
    from studio.accounts.models import Membership, User, Workspace

    team = Workspace.objects.create(name="team", display_name="Team of vision")
    Workspace.objects.create(name="elsewhere")
    people = {
        "admin": User.objects.create_user("the-admin", password=PASSWORD, is_superuser=True, is_staff=True),
        "operator": User.objects.create_user("the-operator", password=PASSWORD, is_operator=True),
    }
    for role in ("owner", "contributor", "reader"):
        people[role] = User.objects.create_user(f"the-{role}", password=PASSWORD)
        Membership.objects.create(user=people[role], workspace=team, role=role)
    return people, team


_LINK = {"subject": "An authority", "issuer": "An authority", "self_signed": True, "not_after": "2036-01-01T00:00:00+00:00", "key_type": "RSA 4096",
         "signature": "SHA256"}  # fmt: skip
_FINGERPRINT = ":".join(f"{(7 * at) % 256:02X}" for at in range(11, 43))


def _clusters(operator: Any, now: datetime) -> tuple[Any, Any]:
    from compute.models import Change, Cluster, InstanceType
    from compute.network.models import EgressCheck, RouterCertificate

    finding = {"id": "certificate-ends-soon", "title": "The router's certificate ends soon", "of": "network",
               "text": "The certificate models.example.org ends in 12 days.", "todo": "Upload the one that follows it."}  # fmt: skip
    common: dict[str, Any] = {"created_by": operator, "credentials": PLANTED, "kubernetes_version": "v1.33.1", "distribution": "RKE2"}
    ready = Cluster.objects.create(name="gpu-a", server="https://10.1.0.1:6443", status="degraded", reason=finding["text"], seen_at=now,
                                   findings=[finding], pods_reach_studio=True, log_route="proxy", **common)  # fmt: skip
    lost = Cluster.objects.create(name="on-premises", server="https://10.2.0.1:6443", status="unreachable", problem_id="",
                                  reason="The API server does not answer.", seen_at=now - timedelta(minutes=42), **common)  # fmt: skip
    for cluster, count in ((ready, 3), (lost, 1)):
        for index in range(count):
            _node(cluster, index, now)
        Change.objects.create(cluster=cluster, old="connecting", status=cluster.status, at=now - timedelta(hours=2), reason=cluster.reason)
        InstanceType.objects.create(cluster=cluster, group="mooring.dev", name="small", spec=_TYPE, is_default=True,
                                    description="Two cores")  # fmt: skip
    InstanceType.objects.create(cluster=ready, group="mooring.dev", name="gpu", spec=_GPU, description="One A100")
    _extension(ready, operator, now)
    RouterCertificate.objects.create(
        cluster=ready, source="upload", chain="chain", key=PLANTED, set_at=now, set_by=operator, ends_at=now + timedelta(days=12),
        status="ready", facts={"subject": "models.example.org", "names": ["models.example.org"], "issuer": "An authority",
                               "key_type": "RSA 3072", "fingerprint": _FINGERPRINT, "chain": [_LINK], "not_before": (now - timedelta(days=353)).isoformat(),
                               "not_after": (now + timedelta(days=12)).isoformat()},
    )  # fmt: skip
    EgressCheck.objects.create(cluster=ready, addresses=["https://packages.example.org"], status="done", cleaned=True, asked_by=operator)
    return ready, lost


def _extension(cluster: Any, operator: Any, now: datetime) -> None:
    """Install the extension, as an install on one node that was later changed to three routers behind a load balancer leaves it."""
    from compute.extension.models import Extension, ExtensionOperation, ExtensionRevision, OperationKind
    from compute.extension.notes import STEPS, TITLES

    first = {"enableTraining": True, "enableInference": True, "inferenceRouterServiceType": "nodePort",
             "inferenceRouterHA": False, "sslCname": "models.example.org"}  # fmt: skip
    settings = first | {"inferenceRouterServiceType": "loadBalancer", "inferenceRouterHA": True}
    charts = {"mooring-extension": "0.1.0", "gateway-helm": "1.9.1"}
    extension = Extension.objects.create(
        cluster=cluster, status="ready", revision=2, settings=settings, health=_HEALTH, seen_at=now,
        router={"base_url": "https://models.example.org", "host": "models.example.org", "address": "10.0.1.9", "ready": True},
    )  # fmt: skip
    for number, (kind, wanted, days) in enumerate((("install", first, 40), ("change", settings, 3)), start=1):
        at = now - timedelta(days=days)
        steps = [{"key": key, "title": TITLES[key], "state": "done", "text": ""} for key in STEPS[OperationKind(kind)]]
        done = ExtensionOperation.objects.create(extension=extension, kind=kind, status="done", settings=wanted, actor=operator, steps=steps,
                                                 objects_seen=_HEALTH, ended_at=at + timedelta(seconds=74))  # fmt: skip
        ExtensionOperation.objects.filter(pk=done.pk).update(started_at=at)
        kept = ExtensionRevision.objects.create(extension=extension, number=number, helm_revision=number, kind=kind, digest=f"{number}" * 64,
                                                manifest=_manifest(wanted), settings=wanted, charts=charts, actor=operator)  # fmt: skip
        ExtensionRevision.objects.filter(pk=kept.pk).update(made_at=at)


def _manifest(wanted: dict[str, Any]) -> str:
    service = {"nodePort": "NodePort", "loadBalancer": "LoadBalancer"}[wanted["inferenceRouterServiceType"]]
    replicas = 3 if wanted.get("inferenceRouterHA") else 1
    return (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata:\n  name: mooring-router\n---\n"
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata:\n  name: mooring-router\nspec:\n  provider:\n"
        f"    kubernetes:\n      envoyDeployment:\n        replicas: {replicas}\n      envoyService:\n        type: {service}\n"
    )


def _node(cluster: Any, index: int, now: datetime) -> None:
    from compute.models import Node

    gpu = 2 if index == 1 else 0
    exact = {"cpu": "16", "memory": "64Gi", "pods": "110"} | ({"nvidia.com/gpu": str(gpu)} if gpu else {})
    asked = {"cpu": str(4 * index + 2), "memory": f"{8 * index + 4}Gi"}
    Node.objects.create(
        cluster=cluster, name=f"worker-{index}.{cluster.name}.example.org", uid=f"{cluster.name}-{index}", ready=index != 2,
        reason="KubeletNotReady: container runtime is down" if index == 2 else "", kubelet_version="v1.33.1", seen_at=now,
        capacity={"cpu": 16.0, "memory": 64.0 * GIB, "gpu": gpu, "pods": 110},
        allocatable={"cpu": 16.0, "memory": 64.0 * GIB, "gpu": gpu, "pods": 110, "exact": exact},
        requested={"cpu": 4.0 * index + 2, "memory": (8.0 * index + 4) * GIB, "gpu": 1 if gpu else 0, "exact": asked},
        labels={"gpu": "a100"} if gpu else {"pool": "cpu"}, pods=6,
        runs=[{"owner": "team", "kind": "workspace", "cpu": 2.0, "memory": 4.0 * GIB, "gpu": 0, "pods": 2},
              {"owner": "kube-system", "kind": "namespace", "cpu": 0.5, "memory": 1.0 * GIB, "gpu": 0, "pods": 4}],
    )  # fmt: skip


def _computes(team: Any, ready: Any, lost: Any) -> Any:
    from compute.models import Compute

    Compute.objects.create(workspace=team, cluster=lost, name="night", namespace="mooring-night", status="ready")
    return Compute.objects.create(workspace=team, cluster=ready, name="gpu", namespace="mooring-team", status="ready",
                                  description="GPUs of the vision team")  # fmt: skip


def _jobs(team: Any, compute: Any, people: dict[str, Any], now: datetime) -> None:
    from jobs.models import Job, Output, Process, Transition

    for number, (status, title, experiment, started, ended) in enumerate(_JOBS):
        start = now - timedelta(minutes=started) if started else None
        end = now - timedelta(minutes=ended) if ended else None
        failed = {"problem_id": "job-exit-code", "problem_params": {"code": 1, "where": ""}} if status == "Failed" else {}
        job = Job.objects.create(
            name=f"calm_otter_{number}", workspace=team, display_name=title, experiment=experiment, submitted_by=people["contributor"],
            yaml="command: python train.py\n", command="python train.py --epochs 10", image="registry/python:3.11",
            image_asked="python:3.11", tags={"stage": "dev"}, compute=compute, cluster=compute.cluster, compute_name=compute.name,
            namespace=compute.namespace, instance_type="small", status=status, reason=_REASONS.get(status, ""), started_at=start,
            ended_at=end, token=PLANTED, cleaned=bool(end), **failed,
        )  # fmt: skip
        Transition.objects.create(job=job, old="", status="Queued", at=(start or now) - timedelta(seconds=9))
        if start:
            process = Process.objects.create(job=job, index=0, pod_uid=f"uid-{number}", pod_name=f"mj-{number}-0", node="worker-0",
                                             phase="Running", started_at=start, ended_at=end, log_final=bool(end))  # fmt: skip
            Transition.objects.create(job=job, old="Queued", status="Running", at=start)
            _log(process)
        if end:
            Transition.objects.create(job=job, old="Running", status=status, at=end)
            Output.objects.create(job=job, root="artifacts", path="outputs/model.txt", size=12, digest="sha256:" + "0" * 64)


def _log(process: Any) -> None:
    path = process.log_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"epoch {epoch}: loss {1 / (epoch + 1):.3f}\n" for epoch in range(40)) + "Traceback (most recent call last):\n"
    path.write_text(text, encoding="utf-8")
    process.log_bytes = len(text)
    process.save(update_fields=["log_bytes"])


def _models(team: Any, person: Any) -> None:
    from studio.assets.models import ImageRule, Model, ModelVersion
    from studio.assets.services import keep_tree
    from studio.assets.trees import Tree

    kept = keep_tree(team, Tree(()))
    for name in ("flowers", "segmenter"):
        model = Model.objects.create(workspace=team, name=name, created_by=person, last_number=2, description="Names flowers by picture")
        for version in ("1", "2"):
            ModelVersion.objects.create(model=model, version=version, snapshot=kept, base_name="model", created_by=person,
                                        job_name="calm_otter_3", stage="Production" if version == "1" else "")  # fmt: skip
    ImageRule.objects.create(pattern="python:*", image="registry/python:1", note="Debian's Python")


def _endpoints(team: Any, compute: Any, person: Any, now: datetime) -> None:
    from endpoints.models import Change, Deployment, Endpoint, Replica, Revision

    for name, status in (("flowers", "ready"), ("segments", "creating")):
        endpoint = Endpoint.objects.create(
            name=name, workspace=team, compute=compute, cluster=compute.cluster, compute_name=compute.name, namespace=compute.namespace,
            status=status, created_by=person, traffic={"blue": 90, "green": 10} if name == "flowers" else {}, primary_key=PLANTED,
        )  # fmt: skip
        Change.objects.create(endpoint=endpoint, old="creating", status=status, at=now)
        for colour, state in (("blue", "ready"), ("green", "failed")) if name == "flowers" else ():
            failed = {"problem_id": "deployment-deadline", "reason": "No replica got ready in 20 min."} if state == "failed" else {}
            one = Deployment.objects.create(endpoint=endpoint, name=colour, status=state, token=PLANTED, created_by=person, **failed)
            revision = Revision.objects.create(deployment=one, number=1, status="good" if state == "ready" else "failed", created_by=person,
                                               spec={"instance_type": "small", "image": "registry/python:3.11", "model": {
                                                   "reference": "azureml:flowers:1", "name": "flowers", "version": "1", "type": "custom_model"}})  # fmt: skip
            Deployment.objects.filter(pk=one.pk).update(wanted=revision, current=revision, good=revision if state == "ready" else None)
            Replica.objects.create(deployment=one, revision=1, pod_uid=f"{colour}-uid", pod_name=f"md-{one.pk}-abc", phase="Running",
                                   state="ready" if state == "ready" else "not-ready", ready=state == "ready", created_at=now)  # fmt: skip


def _notices(people: dict[str, Any], now: datetime) -> None:
    from studio.notices.services import tell

    tell([people["contributor"]], "job-failed", title="Evaluate on the hold-out set failed", text="The command ended with exit code 1",
         url="/w/team/jobs/calm_otter_2/", about="job:furnished:Failed", workspace="team")  # fmt: skip
    tell([people["contributor"]], "job-completed", title="Baseline completed", url="/w/team/jobs/calm_otter_3/",
         about="job:furnished:Completed", workspace="team")  # fmt: skip
    tell([people["operator"], people["admin"]], "cluster-lost", title="The cluster on-premises was lost", text="The API server does not answer.",
         url="/ops/clusters/on-premises/", about="cluster:furnished")  # fmt: skip


def _audit(team: Any, cluster: Any, people: dict[str, Any]) -> None:
    from studio.audit.services import record, write

    record(people["operator"], "attached", cluster, diff={"server": [None, cluster.server], "allow_insecure": [None, False]})
    record(people["owner"], "changed", team, workspace="team", diff={"display_name": ["Team", team.display_name]})
    refused = {"workspace": "team", "result": "refused", "problem": "not-allowed"}
    write(people["reader"], "asked for cancel", ("job", "", "calm_otter_1"), **refused)


def main() -> None:
    """Furnish the studio that the environment names."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    if "--migrate" in sys.argv:
        call_command("migrate", verbosity=0)
    made = furnish(timezone.now())
    sessions = {}
    for who, person in made["people"].items():
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        sessions[who] = client.cookies["sessionid"].value
    print(json.dumps(sessions))


if __name__ == "__main__":
    main()
