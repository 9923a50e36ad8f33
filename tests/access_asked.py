"""A studio with one of everything in it, and a request for each address of the table."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from compute.extension.models import Extension, ExtensionOperation, ExtensionRevision
from compute.models import Cluster, Compute, InstanceType
from compute.network.models import EgressCheck, PodNetworkSettings, RouterCertificate
from endpoints.models import Deployment, Endpoint, Revision
from jobs.models import Job, Process
from studio.accounts.models import ApiToken, Invitation, User, digest_of
from studio.assets.models import ImageRule, Model, ModelVersion
from studio.assets.services import keep_tree
from studio.assets.trees import Tree
from studio.tables.models import SavedView
from tests.access_table import API_DEP, API_END, API_ENDS, API_MODEL, API_OPS, API_USER, API_VERSION, API_W
from tests.conftest import People

INVITATION = "mri_1a2b3c4d_an-invitation-that-is-open"
PLANTED = "planted-secret-of-the-cluster"
TYPE = {"spec": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}}
# Bodies that are whole, so that a role is asked for before anything in them is found wrong.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", API_W + "yaml/check"): {"kind": "command-job", "yaml": "command: echo"},
    ("POST", "api/v1/me/tokens"): {"name": "laptop"},
    ("PATCH", "api/v1/me"): {"theme": "dark"},
    ("PUT", "api/v1/me/password"): {"current_password": "x", "new_password": "y"},
    ("PUT", "api/v1/me/second-factor/app/begun"): {"password": "x"},
    ("PUT", "api/v1/me/second-factor/app"): {"begun": "x", "code": "000000"},
    ("PUT", "api/v1/me/second-factor/recovery-codes"): {"password": "x"},
    ("PUT", "api/v1/me/second-factor/<factor>/removed"): {"password": "x"},
    ("PUT", "api/v1/invitations/accepted"): {"secret": INVITATION, "username": "bob", "password": "a long enough phrase 7"},
    ("POST", "api/v1/workspaces"): {"name": "another"},
    ("POST", "api/v1/users"): {"username": "another"},
    ("PATCH", API_USER): {"operator": True},
    ("POST", API_USER + "/password-link"): {"days": 1},
    ("POST", "api/v1/invitations"): {"name": "Ada"},
    ("PATCH", "api/v1/workspaces/<workspace>"): {"description": "new"},
    ("PUT", API_W + "members/<username>"): {"role": "reader"},
    ("POST", "api/v1/clusters"): {"name": "new", "kubeconfig": "not one"},
    ("PUT", API_OPS + "/credentials"): {"kubeconfig": "not one"},
    ("POST", API_OPS + "/extension"): {"settings": {}},
    ("PATCH", API_OPS + "/extension"): {"settings": {"enableTraining": "perhaps"}},
    ("POST", API_OPS + "/extension/check"): {"settings": {"enableTraining": "perhaps"}},
    ("POST", API_OPS + "/extension/rollback"): {"revision": 1},
    ("POST", API_OPS + "/network/checks"): {"addresses": ["example.com"]},
    ("POST", API_OPS + "/instance-types"): {"name": "tiny", **TYPE},
    ("PUT", API_OPS + "/instance-types/<type>"): TYPE,
    ("POST", API_W + "computes"): {"name": "second", "cluster": "gpu-a"},
    ("POST", API_W + "trees"): {"files": []},
    ("POST", API_W + "models"): {"name": "flowers", "path": "runs:/a_job/model"},
    ("PATCH", API_MODEL): {"description": "new"},
    ("PATCH", API_VERSION): {"description": "new"},
    ("PUT", "api/v1/image-rules"): {"pattern": "x:*", "image": "registry/x:1"},
    ("PUT", API_W + "views/<table>/<name>/opens"): {"opens": True},
    ("POST", API_W + "views"): {"table": "jobs", "name": "mine"},
    ("PUT", "api/v1/views/<table>/<name>/opens"): {"opens": True},
    ("POST", "api/v1/views"): {"table": "notifications", "name": "mine"},
    ("POST", API_W + "jobs"): {"yaml": "command: echo"},
    ("POST", API_W + "jobs/validate"): {"yaml": "command: echo"},
    **{("POST", API_ENDS + rest): {"yaml": "name: x"} for rest in ("", "/validate")},
    ("PUT", API_END): {"yaml": "name: x"},
    ("PATCH", API_END): {"description": "new"},
    ("PUT", API_END + "/traffic"): {"traffic": {}},
    ("POST", API_END + "/regenerate-keys"): {"key_type": "primary"},
    ("POST", API_END + "/invoke"): {"body": "{}"},
    **{("POST", API_END + rest): {"yaml": "name: x"} for rest in ("/deployments", "/deployments/validate")},
    ("PUT", API_DEP): {"yaml": "name: x"},
    ("PATCH", API_DEP): {"retry": False},
    ("POST", API_DEP + "/scale"): {"instance_count": 2},
    ("POST", API_DEP + "/rollback"): {"revision": 1},
}
NEEDED = {
    "guide": "science",
    "username": "a-person", "secret": INVITATION,
    "workspace": "team", "space": "team", "name": "a_job", "compute": "local", "type": "small", "file": "std_log.txt",
    "process": "1", "id": "1", "session_id": "1000000", "pk": "1000000", "rule_id": "1", "root": "artifacts", "path": "outputs/model.txt", "digest": "sha256:" + "0" * 64, "index": "0", "version": "1",
    "object_id": "1", "deployment": "blue", "pod": "a-pod", "container": "inference-server", "table": "jobs",
    "kind": "command-job", "page": "problems/not-found",
}  # fmt: skip


@pytest.fixture
def everything(people: People) -> dict[str, str]:
    """Make one of everything that an address may name."""
    person = User.objects.create(username="a-person", password=f"argon2$argon2id$v=19${PLANTED}", session_epoch=PLANTED[:32])
    token = ApiToken.objects.create(user=person, name="a token", prefix="00000000", digest=PLANTED)
    ends = timezone.now() + timedelta(days=1)
    Invitation.objects.create(name="Ada", prefix="11111111", digest=PLANTED, expires_at=ends)
    invitation = Invitation.objects.create(name="Bob", prefix=INVITATION[4:12], digest=digest_of(INVITATION), expires_at=ends)
    kubeconfig = json.dumps({"users": [{"name": "x", "user": {"token": PLANTED}}]})
    cluster = Cluster.objects.create(
        name="gpu-a", server="https://127.0.0.1:1", credentials=kubeconfig, status="ready", seen_at=timezone.now()
    )
    RouterCertificate.objects.create(
        cluster=cluster, source="upload", chain="chain", key=PLANTED, set_at=timezone.now(), facts={"names": ["x"]}, ends_at=timezone.now()
    )
    PodNetworkSettings.objects.create(cluster=cluster, http_proxy=f"http://user:{PLANTED}@proxy:3128")
    check = EgressCheck.objects.create(cluster=cluster, addresses=["https://x"], status="done", cleaned=True)
    extension = Extension.objects.create(cluster=cluster, status="ready", revision=1, settings={"enableTraining": True})
    operation = ExtensionOperation.objects.create(extension=extension, kind="install", status="done")
    ExtensionRevision.objects.create(extension=extension, number=1, helm_revision=1, kind="install", digest="0", manifest="kind: Gateway")
    InstanceType.objects.create(cluster=cluster, group="mooring.dev", name="small", spec={"resources": {"requests": {"cpu": "1"}}})
    compute = Compute.objects.create(workspace=people.workspace, cluster=cluster, name="local", namespace="mooring-team", status="ready")
    job = Job.objects.create(
        name="a_job", workspace=people.workspace, yaml="command: echo", command="echo", image="x", compute=compute, cluster=cluster,
        compute_name="local", namespace="mooring-team", token=PLANTED, status="Completed", cleaned=True,
    )  # fmt: skip
    process = Process.objects.create(job=job, index=0, pod_uid="u", pod_name="p", log_final=True)
    rule = ImageRule.objects.create(pattern="python:*", image="registry/python:1")
    view = SavedView.objects.create(table="jobs", workspace=people.workspace, owner=people.owner, name="a-view", shared=True)
    kept = keep_tree(people.workspace, Tree(()))
    model = Model.objects.create(workspace=people.workspace, name="a_model")
    ModelVersion.objects.create(model=model, version="1", snapshot=kept, base_name="model")
    endpoint = Endpoint.objects.create(
        name="an-endpoint", workspace=people.workspace, compute=compute, cluster=cluster, compute_name="local", namespace="mooring-team",
        status="ready", primary_key=PLANTED, secondary_key=PLANTED,
    )  # fmt: skip
    deployment = Deployment.objects.create(endpoint=endpoint, name="blue", status="ready", token=PLANTED)
    revision = Revision.objects.create(deployment=deployment, number=1, status="good", spec={})
    Deployment.objects.update(wanted=revision, current=revision, good=revision)
    fleet = SavedView.objects.create(table="clusters", owner=people.operator, name="a-view", shared=True)
    known = NEEDED | {"view_id": str(view.pk), "site_view_id": str(fleet.pk)}
    known |= {"factor": "1000000", "token_id": str(token.pk), "invitation_id": str(invitation.pk)}
    return known | {"process": str(process.pk), "rule_id": str(rule.pk), "check_id": str(check.pk), "number": "1", "id": str(operation.pk)}


def filled(pattern: str, values: dict[str, str]) -> str:
    """Return the path of an address; below clusters a name is a cluster's, below computes a compute's."""
    given = dict(values)
    if "clusters/" in pattern:
        given["name"] = "gpu-a"
    elif "endpoints/" in pattern or "/deployments/" in pattern:
        given["name"] = "an-endpoint"
    elif "models/" in pattern:
        given["name"] = "a_model"
    elif "computes/<name>" in pattern:
        given["name"] = "local"
    if pattern.endswith("/logs/<process>"):
        given["process"] = "0"
    if "/views/<table>" in pattern:
        given["name"] = "a-view"
    if pattern.startswith("api/v1/views/"):
        given["table"] = "clusters"
    if pattern.startswith("lists/"):
        given |= {"table": "clusters", "view_id": given["site_view_id"]}
    for name, value in given.items():
        for kind in ("", "slug:", "str:", "int:", "path:"):
            pattern = pattern.replace(f"<{kind}{name}>", value)
    assert "<" not in pattern, f"the test does not know what {pattern} names"
    return "/" + pattern


def asked(client: Client, method: str, path: str, body: dict[str, Any]) -> Any:
    client.raise_request_exception = False
    extra: dict[str, Any] = {}
    if method not in {"GET", "HEAD"} and path.startswith(("/api/", "/runner/")):
        extra = {"data": json.dumps(body), "content_type": "application/json"}
    return client.generic(method, path, **extra)
