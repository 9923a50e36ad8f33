"""Who may do what: every address of the studio, asked by everyone there is.

The table is the rule. An address that is not in it fails the test, and so does one that answers otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
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
from tests.conftest import People

pytestmark = pytest.mark.django_db

PLANTED = "planted-secret-of-the-cluster"
WHO = ("nobody", "stranger", "reader", "contributor", "owner", "operator", "admin")

# What each of WHO may do, as one letter a person: y is let in, n is told that there is nothing (404), f is told that
# the role does not do (403), s is sent to sign in (302 for pages, 401 for the API and the stream).
EVERYONE = "yyyyyyy"
SIGNED_IN = "syyyyyy"
READERS = "snyyyny"
CONTRIBUTORS = "snfyyny"
OPERATORS = "snnnnyy"
OWNERS = "snffyny"
ADMINS = "snnnnny"
OPERATORS_TOLD = "sffffyy"
# Each person's own alone: the one that the test names belongs to none of them.
NOBODYS = "snnnnnn"

_ACC = "accounts/"
_W = "w/<slug:workspace>/"
_JOB = _W + "jobs/<slug:name>/"
_END = _W + "endpoints/<slug:name>/"
_DEP = _END + "deployments/<slug:deployment>/"
_POD = _END + "logs/<slug:deployment>/<str:pod>/<str:container>/"
_OPS = "ops/clusters/<slug:name>/"
_API_W = "api/v1/workspaces/<workspace>/"
_API_JOB = _API_W + "jobs/<name>"
_API_ENDS = _API_W + "online-endpoints"
_API_END = _API_ENDS + "/<name>"
_API_DEP = _API_END + "/deployments/<deployment>"
_MODELS = _W + "models/"
_MODEL = _MODELS + "<str:name>/"
_MODEL_VERSION = _MODEL + "versions/<str:version>/"
_API_MODEL = _API_W + "models/<name>"
_API_VERSION = _API_MODEL + "/versions/<version>"
_API_OPS = "api/v1/clusters/<name>"
_API_USER = "api/v1/users/<username>"
_ACCESS = "ops/access/"
_USER = _ACCESS + "users/<str:username>/"

# What the admin console shows.
_ROWS = (
    "accounts/user", "accounts/workspace", "accounts/membership", "accounts/apitoken", "assets/imagerule", "assets/model",
    "assets/modelversion", "audit/entry", "compute/cluster", "compute/compute", "compute/instancetype", "endpoints/deployment",
    "endpoints/endpoint", "jobs/job",
)  # fmt: skip

TABLE: dict[tuple[str, str], str] = {
    ("GET", "healthz"): EVERYONE,
    ("GET", "readyz"): EVERYONE,
    ("GET", "metrics"): EVERYONE,
    ("GET", ""): SIGNED_IN,
    ("GET", "live/"): SIGNED_IN,
    ("GET", "search/"): SIGNED_IN,
    ("POST", "guide/<slug:guide>/"): SIGNED_IN,
    ("GET", "notifications/"): SIGNED_IN,
    ("GET", "notifications/bell/"): SIGNED_IN,
    ("POST", "notifications/read/"): SIGNED_IN,
    ("GET", "notifications/settings/"): SIGNED_IN,
    ("GET", "notifications/<int:id>/"): NOBODYS,
    ("GET", _W): READERS,
    ("GET", "ops/"): OPERATORS,
    # Signing in, and one's own account. What changes second factors also asks again who is there (tests/studio/signin).
    ("GET", _ACC + "login/"): EVERYONE,
    ("GET", _ACC + "logout/"): SIGNED_IN,
    ("GET", _ACC + "inactive/"): EVERYONE,
    ("GET", _ACC + "signup/"): EVERYONE,
    # Who has neither password nor second factor, as these people, cannot be asked for one.
    ("GET", _ACC + "reauthenticate/"): "sffffff",
    # Where no provider is set, there is nothing (tests/studio/signin/test_oidc.py).
    ("GET", _ACC + "oidc/login/"): "nnnnnnn",
    ("GET", _ACC + "oidc/callback/"): "nnnnnnn",
    ("GET", _ACC + "profile/"): SIGNED_IN,
    ("POST", _ACC + "profile/"): SIGNED_IN,
    ("GET", _ACC + "password/"): SIGNED_IN,
    ("GET", _ACC + "password/set/"): SIGNED_IN,
    ("GET", _ACC + "sessions/"): SIGNED_IN,
    ("POST", _ACC + "sessions/end-others/"): SIGNED_IN,
    ("POST", _ACC + "sessions/<int:session_id>/end/"): "snnnnnn",
    ("GET", _ACC + "2fa/"): SIGNED_IN,
    ("GET", _ACC + "2fa/authenticate/"): SIGNED_IN,
    ("GET", _ACC + "2fa/reauthenticate/"): "sffffff",
    ("GET", _ACC + "2fa/totp/activate/"): SIGNED_IN,
    ("GET", _ACC + "2fa/totp/deactivate/"): "snnnnnn",
    ("GET", _ACC + "2fa/recovery-codes/"): "snnnnnn",
    ("GET", _ACC + "2fa/recovery-codes/generate/"): SIGNED_IN,
    ("GET", _ACC + "2fa/webauthn/"): SIGNED_IN,
    ("GET", _ACC + "2fa/webauthn/add/"): SIGNED_IN,
    ("GET", _ACC + "2fa/webauthn/login/"): SIGNED_IN,
    ("GET", _ACC + "2fa/webauthn/reauthenticate/"): "sffffff",
    ("GET", _ACC + "2fa/webauthn/keys/<int:pk>/remove/"): "snnnnnn",
    ("GET", _ACC + "2fa/webauthn/keys/<int:pk>/edit/"): "snnnnnn",
    # Computes and jobs
    ("GET", _W + "computes/"): READERS,
    ("GET", _W + "jobs/"): READERS,
    ("GET", _W + "jobs/-/new/"): CONTRIBUTORS,
    ("POST", _W + "jobs/-/new/"): CONTRIBUTORS,
    ("POST", _W + "jobs/-/bulk/"): CONTRIBUTORS,
    ("GET", _JOB): READERS,
    ("GET", _JOB + "yaml/"): READERS,
    ("GET", _JOB + "log/"): READERS,
    ("GET", _JOB + "log/<int:process>/<str:file>/bytes"): READERS,
    ("GET", _JOB + "log/<int:process>/<str:file>/download"): READERS,
    ("GET", _JOB + "outputs/"): READERS,
    ("GET", _JOB + "outputs.zip"): READERS,
    ("GET", _JOB + "outputs/<str:root>/<path:file>"): READERS,
    ("GET", _JOB + "code/"): READERS,
    ("GET", _JOB + "code.zip"): READERS,
    ("GET", _JOB + "code/<path:file>"): READERS,
    ("GET", _JOB + "events/"): READERS,
    ("POST", _JOB + "cancel/"): CONTRIBUTORS,
    ("POST", _JOB + "resubmit/"): CONTRIBUTORS,
    ("POST", _JOB + "delete/"): CONTRIBUTORS,
    ("GET", _JOB + "register-model/"): CONTRIBUTORS,
    # What people keep of lists: as whoever may see the list
    **{("POST", _W + f"lists/<slug:table>/{rest}"): READERS for rest in ("columns/", "views/", "views/<int:view_id>/")},
    **{("POST", f"lists/<slug:table>/{rest}"): OPERATORS for rest in ("columns/", "views/", "views/<int:view_id>/")},
    # Models
    ("GET", _MODELS): READERS,
    ("GET", _MODELS + "-/new/"): CONTRIBUTORS,
    ("POST", _MODELS + "-/new/"): CONTRIBUTORS,
    ("GET", _MODEL): READERS,
    ("GET", _MODEL + "edit/"): CONTRIBUTORS,
    ("POST", _MODEL + "edit/"): CONTRIBUTORS,
    ("POST", _MODEL + "archive/"): CONTRIBUTORS,
    ("POST", _MODEL + "restore/"): CONTRIBUTORS,
    ("POST", _MODEL + "delete/"): CONTRIBUTORS,
    ("GET", _MODEL_VERSION): READERS,
    ("GET", _MODEL_VERSION + "files/"): READERS,
    ("GET", _MODEL_VERSION + "files/<path:file>"): READERS,
    ("GET", _MODEL_VERSION + "files.zip"): READERS,
    ("GET", _MODEL_VERSION + "lineage/"): READERS,
    ("GET", _MODEL_VERSION + "edit/"): CONTRIBUTORS,
    ("POST", _MODEL_VERSION + "edit/"): CONTRIBUTORS,
    ("POST", _MODEL_VERSION + "archive/"): CONTRIBUTORS,
    ("POST", _MODEL_VERSION + "restore/"): CONTRIBUTORS,
    ("POST", _MODEL_VERSION + "delete/"): CONTRIBUTORS,
    # Endpoints
    ("GET", _W + "endpoints/"): READERS,
    ("GET", _W + "endpoints/-/new/"): CONTRIBUTORS,
    ("POST", _W + "endpoints/-/new/"): CONTRIBUTORS,
    ("GET", _W + "endpoints/-/name/"): CONTRIBUTORS,
    ("GET", _END): READERS,
    ("GET", _END + "deployments/-/new/"): CONTRIBUTORS,
    ("POST", _END + "deployments/-/new/"): CONTRIBUTORS,
    ("GET", _END + "test/"): READERS,
    ("POST", _END + "test/"): CONTRIBUTORS,
    ("GET", _END + "consume/"): READERS,
    ("POST", _END + "consume/keys/"): CONTRIBUTORS,
    ("POST", _END + "consume/regenerate/"): CONTRIBUTORS,
    ("GET", _END + "consume/ca.pem"): READERS,
    ("GET", _END + "monitoring/"): READERS,
    ("GET", _END + "monitoring/figures.json"): READERS,
    ("GET", _END + "logs/"): READERS,
    ("GET", _POD + "bytes"): READERS,
    ("GET", _POD + "lines"): READERS,
    ("GET", _POD + "download"): READERS,
    ("GET", _END + "revisions/"): READERS,
    ("GET", _END + "events/"): READERS,
    ("POST", _END + "traffic/"): CONTRIBUTORS,
    ("POST", _END + "delete/"): CONTRIBUTORS,
    ("POST", _DEP + "scale/"): CONTRIBUTORS,
    ("POST", _DEP + "roll-back/"): CONTRIBUTORS,
    ("POST", _DEP + "roll-out/"): CONTRIBUTORS,
    ("POST", _DEP + "retries/"): CONTRIBUTORS,
    ("POST", _DEP + "delete/"): CONTRIBUTORS,
    # The admin console
    ("GET", "admin/"): ADMINS,
    ("GET", "admin/jsi18n/"): ADMINS,
    **{("GET", f"admin/{app}/"): ADMINS for app in {row.split("/")[0] for row in _ROWS}},
    **{("GET", f"admin/{row}/"): ADMINS for row in _ROWS},
    **{("GET", f"admin/{row}/<path:object_id>/change/"): ADMINS for row in _ROWS},
    # The studio itself
    ("GET", "ops/system/"): ADMINS,
    ("POST", "ops/system/failed-tasks/clear/"): ADMINS,
    ("GET", "api/v1/system"): ADMINS,
    ("DELETE", "api/v1/system/failed-tasks"): ADMINS,
    # The audit
    ("GET", "ops/audit/"): OPERATORS,
    ("GET", _W + "audit/"): OWNERS,
    ("GET", "api/v1/audit"): OPERATORS,
    ("GET", "api/v1/audit/export"): OPERATORS,
    ("GET", _API_W + "audit"): OWNERS,
    ("GET", _API_W + "audit/export"): OWNERS,
    # Operators' pages
    ("GET", "ops/images/"): OPERATORS,
    ("POST", "ops/images/<int:rule_id>/delete/"): OPERATORS,
    ("GET", "ops/clusters/"): OPERATORS,
    ("GET", "ops/clusters/attach/"): OPERATORS,
    ("GET", "ops/clusters/manifest/"): OPERATORS,
    ("GET", _OPS): OPERATORS,
    ("GET", _OPS + "line/"): OPERATORS,
    ("GET", _OPS + "nodes/"): OPERATORS,
    ("GET", _OPS + "extension/"): OPERATORS,
    ("POST", _OPS + "extension/"): OPERATORS,
    ("GET", _OPS + "extension/remove/"): OPERATORS,
    ("GET", _OPS + "extension/revisions/<int:number>/"): OPERATORS,
    ("POST", _OPS + "extension/revisions/<int:number>/rollback/"): OPERATORS,
    ("GET", _OPS + "network/"): OPERATORS,
    ("GET", _OPS + "network/certificate/"): OPERATORS,
    ("POST", _OPS + "network/certificate/put-back/"): OPERATORS,
    ("POST", _OPS + "network/certificate/remove/"): OPERATORS,
    ("GET", _OPS + "network/way-out/"): OPERATORS,
    ("POST", _OPS + "network/check/"): OPERATORS,
    ("GET", _OPS + "connection/"): OPERATORS,
    ("GET", _OPS + "connection/credentials/"): OPERATORS,
    ("GET", _OPS + "audit/"): OPERATORS,
    ("GET", _OPS + "edit/"): OPERATORS,
    ("POST", _OPS + "probe/"): OPERATORS,
    ("GET", _OPS + "detach/"): OPERATORS,
    ("GET", _OPS + "instance-types/"): OPERATORS,
    ("GET", _OPS + "instance-types/new/"): OPERATORS,
    ("POST", _OPS + "instance-types/default/"): OPERATORS,
    ("GET", _OPS + "instance-types/<str:type>/edit/"): OPERATORS,
    ("POST", _OPS + "instance-types/<str:type>/delete/"): OPERATORS,
    ("GET", _OPS + "computes/"): OPERATORS,
    ("GET", _OPS + "computes/attach/"): OPERATORS,
    ("GET", _OPS + "computes/<slug:space>/<slug:compute>/"): OPERATORS,
    ("GET", _OPS + "computes/<slug:space>/<slug:compute>/detach/"): OPERATORS,
    # Access, members, tokens
    ("GET", _ACCESS): OPERATORS,
    ("GET", _ACCESS + "users/"): ADMINS,
    ("GET", _ACCESS + "users/-/new/"): ADMINS,
    ("POST", _ACCESS + "users/-/new/"): ADMINS,
    ("GET", _USER): ADMINS,
    ("GET", _USER + "edit/"): ADMINS,
    ("POST", _USER + "edit/"): ADMINS,
    ("POST", _USER + "roles/"): ADMINS,
    # Of no workspace.
    ("POST", _USER + "workspaces/"): "snnnnnn",
    ("POST", _USER + "deactivate/"): ADMINS,
    ("POST", _USER + "reactivate/"): ADMINS,
    ("POST", _USER + "password-link/"): ADMINS,
    ("POST", _USER + "end-sessions/"): ADMINS,
    # Who has none.
    ("POST", _USER + "second-factor/"): ADMINS,
    ("POST", _USER + "delete/"): ADMINS,
    ("GET", _ACCESS + "invitations/"): ADMINS,
    ("GET", _ACCESS + "invitations/new/"): ADMINS,
    ("POST", _ACCESS + "invitations/new/"): ADMINS,
    ("POST", _ACCESS + "invitations/<int:invitation_id>/withdraw/"): ADMINS,
    ("GET", _ACCESS + "workspaces/"): OPERATORS,
    ("GET", _ACCESS + "workspaces/new/"): OPERATORS,
    ("POST", _ACCESS + "workspaces/new/"): OPERATORS,
    ("GET", _ACCESS + "tokens/"): ADMINS,
    ("POST", _ACCESS + "tokens/<int:token_id>/revoke/"): ADMINS,
    ("GET", _W + "members/"): READERS,
    ("POST", _W + "members/set/"): OWNERS,
    # Of nobody.
    ("POST", _W + "members/remove/"): "snffnnn",
    # The administrator is a member of no workspace that they could leave.
    ("POST", _W + "members/leave/"): "snyyynn",
    ("GET", _W + "settings/"): OWNERS,
    ("POST", _W + "settings/"): OWNERS,
    ("POST", _W + "settings/archive/"): OWNERS,
    ("POST", _W + "settings/restore/"): OWNERS,
    ("POST", _W + "settings/delete/"): OWNERS,
    ("GET", "accounts/tokens/"): SIGNED_IN,
    ("GET", "accounts/tokens/new/"): SIGNED_IN,
    ("POST", "accounts/tokens/new/"): SIGNED_IN,
    # Somebody else's.
    ("POST", "accounts/tokens/<int:token_id>/revoke/"): "snnnnnn",
    ("GET", "accounts/invitation/<str:secret>/"): EVERYONE,
    ("POST", "accounts/invitation/<str:secret>/"): EVERYONE,
    # The API
    ("GET", "help/api/"): SIGNED_IN,
    ("GET", "api/v1/openapi.json"): SIGNED_IN,
    ("GET", "api/v1/search"): SIGNED_IN,
    ("GET", "api/v1/fleet"): OPERATORS,
    ("GET", "api/v1/schemas/<kind>"): SIGNED_IN,
    ("POST", _API_W + "yaml/check"): CONTRIBUTORS,
    ("GET", "api/v1/notifications"): SIGNED_IN,
    ("POST", "api/v1/notifications/read"): SIGNED_IN,
    ("GET", "api/v1/notifications/preferences"): SIGNED_IN,
    ("PATCH", "api/v1/notifications/preferences"): SIGNED_IN,
    ("GET", "api/v1/me"): SIGNED_IN,
    ("POST", "api/v1/me/tokens"): SIGNED_IN,
    ("DELETE", "api/v1/me/token"): SIGNED_IN,
    ("GET", "api/v1/me/sessions"): SIGNED_IN,
    ("DELETE", "api/v1/me/sessions"): SIGNED_IN,
    ("DELETE", "api/v1/me/sessions/<session_id>"): "snnnnnn",
    ("DELETE", "api/v1/users/<username>/second-factor"): "snnnnny",
    ("GET", "api/v1/me/tokens"): SIGNED_IN,
    ("DELETE", "api/v1/me/tokens/<token_id>"): "snnnnnn",
    ("GET", "api/v1/users"): ADMINS,
    ("POST", "api/v1/users"): ADMINS,
    ("GET", _API_USER): ADMINS,
    ("PATCH", _API_USER): ADMINS,
    ("DELETE", _API_USER): ADMINS,
    ("POST", _API_USER + "/deactivate"): ADMINS,
    ("POST", _API_USER + "/reactivate"): ADMINS,
    ("POST", _API_USER + "/end-sessions"): ADMINS,
    ("POST", _API_USER + "/password-link"): ADMINS,
    ("GET", "api/v1/invitations"): ADMINS,
    ("POST", "api/v1/invitations"): ADMINS,
    ("DELETE", "api/v1/invitations/<invitation_id>"): ADMINS,
    ("GET", "api/v1/tokens"): ADMINS,
    ("DELETE", "api/v1/tokens/<token_id>"): ADMINS,
    ("GET", "api/v1/workspaces/<workspace>"): READERS,
    ("PATCH", "api/v1/workspaces/<workspace>"): OWNERS,
    ("DELETE", "api/v1/workspaces/<workspace>"): OWNERS,
    ("POST", _API_W + "archive"): OWNERS,
    ("POST", _API_W + "restore"): OWNERS,
    ("GET", _API_W + "members"): READERS,
    ("PUT", _API_W + "members/<username>"): OWNERS,
    ("DELETE", _API_W + "members/<username>"): "snffnnn",
    ("GET", "api/v1/workspaces"): SIGNED_IN,
    ("POST", "api/v1/workspaces"): OPERATORS_TOLD,
    ("GET", "api/v1/clusters"): OPERATORS,
    ("POST", "api/v1/clusters"): OPERATORS,
    ("GET", "api/v1/clusters/manifest"): OPERATORS,
    ("GET", _API_OPS): OPERATORS,
    ("PATCH", _API_OPS): OPERATORS,
    ("DELETE", _API_OPS): OPERATORS,
    ("POST", _API_OPS + "/probe"): OPERATORS,
    ("GET", _API_OPS + "/manifest"): OPERATORS,
    ("PUT", _API_OPS + "/credentials"): OPERATORS,
    ("GET", _API_OPS + "/extension"): OPERATORS,
    ("POST", _API_OPS + "/extension"): OPERATORS,
    ("PATCH", _API_OPS + "/extension"): OPERATORS,
    ("DELETE", _API_OPS + "/extension"): OPERATORS,
    ("POST", _API_OPS + "/extension/check"): OPERATORS,
    ("POST", _API_OPS + "/extension/rollback"): OPERATORS,
    ("GET", _API_OPS + "/extension/revisions"): OPERATORS,
    ("GET", _API_OPS + "/extension/revisions/<number>"): OPERATORS,
    ("GET", _API_OPS + "/extension/revisions/<number>/difference"): OPERATORS,
    ("GET", _API_OPS + "/extension/operations"): OPERATORS,
    ("GET", _API_OPS + "/extension/operations/<id>"): OPERATORS,
    ("GET", _API_OPS + "/network"): OPERATORS,
    ("PUT", _API_OPS + "/network/certificate"): OPERATORS,
    ("DELETE", _API_OPS + "/network/certificate"): OPERATORS,
    ("POST", _API_OPS + "/network/certificate/put-back"): OPERATORS,
    ("PATCH", _API_OPS + "/network/way-out"): OPERATORS,
    ("POST", _API_OPS + "/network/checks"): OPERATORS,
    ("GET", _API_OPS + "/network/checks/<check_id>"): OPERATORS,
    ("GET", _API_OPS + "/instance-types"): OPERATORS,
    ("POST", _API_OPS + "/instance-types"): OPERATORS,
    ("GET", _API_OPS + "/instance-types/<type>"): OPERATORS,
    ("PUT", _API_OPS + "/instance-types/<type>"): OPERATORS,
    ("DELETE", _API_OPS + "/instance-types/<type>"): OPERATORS,
    ("GET", _API_W + "computes"): READERS,
    ("POST", _API_W + "computes"): OPERATORS,
    ("GET", _API_W + "computes/<name>"): READERS,
    ("PATCH", _API_W + "computes/<name>"): OPERATORS,
    ("DELETE", _API_W + "computes/<name>"): OPERATORS,
    ("PUT", _API_W + "blobs/<digest>"): CONTRIBUTORS,
    ("HEAD", _API_W + "blobs/<digest>"): READERS,
    ("POST", _API_W + "trees"): CONTRIBUTORS,
    ("GET", "api/v1/image-rules"): SIGNED_IN,
    ("PUT", "api/v1/image-rules"): OPERATORS,
    ("DELETE", "api/v1/image-rules/<rule_id>"): OPERATORS,
    ("GET", _API_W + "models"): READERS,
    ("POST", _API_W + "models"): CONTRIBUTORS,
    ("GET", _API_MODEL): READERS,
    ("PATCH", _API_MODEL): CONTRIBUTORS,
    ("DELETE", _API_MODEL): CONTRIBUTORS,
    ("POST", _API_MODEL + "/archive"): CONTRIBUTORS,
    ("POST", _API_MODEL + "/restore"): CONTRIBUTORS,
    ("GET", _API_MODEL + "/versions"): READERS,
    ("GET", _API_VERSION): READERS,
    ("PATCH", _API_VERSION): CONTRIBUTORS,
    ("DELETE", _API_VERSION): CONTRIBUTORS,
    ("POST", _API_VERSION + "/archive"): CONTRIBUTORS,
    ("POST", _API_VERSION + "/restore"): CONTRIBUTORS,
    ("GET", _API_VERSION + "/files"): READERS,
    ("GET", _API_VERSION + "/files.zip"): READERS,
    ("GET", _API_VERSION + "/files/<path:path>"): READERS,
    ("GET", _API_W + "views"): READERS,
    ("POST", _API_W + "views"): READERS,
    ("DELETE", _API_W + "views/<table>/<name>"): "snffyny",
    ("GET", _API_W + "jobs"): READERS,
    ("POST", _API_W + "jobs"): CONTRIBUTORS,
    ("POST", _API_W + "jobs/validate"): CONTRIBUTORS,
    ("GET", _API_JOB): READERS,
    ("DELETE", _API_JOB): CONTRIBUTORS,
    ("GET", _API_JOB + "/yaml"): READERS,
    ("POST", _API_JOB + "/cancel"): CONTRIBUTORS,
    ("POST", _API_JOB + "/resubmit"): CONTRIBUTORS,
    ("GET", _API_JOB + "/logs"): READERS,
    ("GET", _API_JOB + "/logs/<process>"): READERS,
    ("GET", _API_JOB + "/outputs"): READERS,
    ("GET", _API_JOB + "/outputs.zip"): READERS,
    ("GET", _API_JOB + "/outputs/<root>/<path:path>"): READERS,
    ("GET", _API_ENDS): READERS,
    ("POST", _API_ENDS): CONTRIBUTORS,
    ("POST", _API_ENDS + "/validate"): CONTRIBUTORS,
    ("GET", _API_END): READERS,
    ("PUT", _API_END): CONTRIBUTORS,
    ("PATCH", _API_END): CONTRIBUTORS,
    ("DELETE", _API_END): CONTRIBUTORS,
    ("PUT", _API_END + "/traffic"): CONTRIBUTORS,
    ("POST", _API_END + "/keys"): CONTRIBUTORS,
    ("POST", _API_END + "/regenerate-keys"): CONTRIBUTORS,
    ("POST", _API_END + "/invoke"): CONTRIBUTORS,
    ("GET", _API_END + "/deployments"): READERS,
    ("POST", _API_END + "/deployments"): CONTRIBUTORS,
    ("POST", _API_END + "/deployments/validate"): CONTRIBUTORS,
    ("GET", _API_DEP): READERS,
    ("PUT", _API_DEP): CONTRIBUTORS,
    ("DELETE", _API_DEP): CONTRIBUTORS,
    ("POST", _API_DEP + "/scale"): CONTRIBUTORS,
    ("POST", _API_DEP + "/rollback"): CONTRIBUTORS,
    ("POST", _API_DEP + "/retry"): CONTRIBUTORS,
    ("GET", _API_DEP + "/logs"): READERS,
}
# Pods bring the token of their one job: a person of whatever role gets nowhere (tests/jobs/test_runner_api.py).
PODS = {
    "runner/v1/jobs/<str:name>/trees/<str:digest>.tar": "GET",
    "runner/v1/jobs/<str:name>/trees/<str:digest>": "GET",
    "runner/v1/jobs/<str:name>/blobs/<str:digest>": "GET",
    "runner/v1/jobs/<str:name>/outputs/<int:index>/<str:root>/<path:file>": "PUT",
    "runner/v1/jobs/<str:name>/processes/<int:index>/finish": "POST",
    "runner/v1/jobs/<str:name>/processes/<int:index>/log": "PUT",
    "runner/v1/deployments/<int:id>/trees/<str:digest>.tar": "GET",
    "runner/v1/deployments/<int:id>/trees/<str:digest>": "GET",
}
# Made by the API's package: it has no page of its own.
KNOWN_OF_OTHERS = {"api/v1/"}
_TYPE = {"spec": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}}
# Bodies that are whole, so that a role is asked for before anything in them is found wrong.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", _API_W + "yaml/check"): {"kind": "command-job", "yaml": "command: echo"},
    ("POST", "api/v1/me/tokens"): {"name": "laptop"},
    ("POST", "api/v1/workspaces"): {"name": "another"},
    ("POST", "api/v1/users"): {"username": "another"},
    ("PATCH", _API_USER): {"operator": True},
    ("POST", _API_USER + "/password-link"): {"days": 1},
    ("POST", "api/v1/invitations"): {"name": "Ada"},
    ("PATCH", "api/v1/workspaces/<workspace>"): {"description": "new"},
    ("PUT", _API_W + "members/<username>"): {"role": "reader"},
    ("POST", "api/v1/clusters"): {"name": "new", "kubeconfig": "not one"},
    ("PUT", _API_OPS + "/credentials"): {"kubeconfig": "not one"},
    ("POST", _API_OPS + "/extension"): {"settings": {}},
    ("PATCH", _API_OPS + "/extension"): {"settings": {"enableTraining": "perhaps"}},
    ("POST", _API_OPS + "/extension/check"): {"settings": {"enableTraining": "perhaps"}},
    ("POST", _API_OPS + "/extension/rollback"): {"revision": 1},
    ("POST", _API_OPS + "/network/checks"): {"addresses": ["example.com"]},
    ("POST", _API_OPS + "/instance-types"): {"name": "tiny", **_TYPE},
    ("PUT", _API_OPS + "/instance-types/<type>"): _TYPE,
    ("POST", _API_W + "computes"): {"name": "second", "cluster": "gpu-a"},
    ("POST", _API_W + "trees"): {"files": []},
    ("POST", _API_W + "models"): {"name": "flowers", "path": "runs:/a_job/model"},
    ("PATCH", _API_MODEL): {"description": "new"},
    ("PATCH", _API_VERSION): {"description": "new"},
    ("PUT", "api/v1/image-rules"): {"pattern": "x:*", "image": "registry/x:1"},
    ("POST", _API_W + "views"): {"table": "jobs", "name": "mine"},
    ("POST", _API_W + "jobs"): {"yaml": "command: echo"},
    ("POST", _API_W + "jobs/validate"): {"yaml": "command: echo"},
    **{("POST", _API_ENDS + rest): {"yaml": "name: x"} for rest in ("", "/validate")},
    ("PUT", _API_END): {"yaml": "name: x"},
    ("PATCH", _API_END): {"description": "new"},
    ("PUT", _API_END + "/traffic"): {"traffic": {}},
    ("POST", _API_END + "/regenerate-keys"): {"key_type": "primary"},
    ("POST", _API_END + "/invoke"): {"body": "{}"},
    **{("POST", _API_END + rest): {"yaml": "name: x"} for rest in ("/deployments", "/deployments/validate")},
    ("PUT", _API_DEP): {"yaml": "name: x"},
    ("POST", _API_DEP + "/scale"): {"instance_count": 2},
    ("POST", _API_DEP + "/rollback"): {"revision": 1},
}
INVITATION = "mri_1a2b3c4d_an-invitation-that-is-open"
NEEDED = {
    "guide": "science",
    "username": "a-person", "secret": INVITATION,
    "workspace": "team", "space": "team", "name": "a_job", "compute": "local", "type": "small", "file": "std_log.txt",
    "process": "1", "id": "1", "session_id": "1000000", "pk": "1000000", "rule_id": "1", "root": "artifacts", "path": "outputs/model.txt", "digest": "sha256:" + "0" * 64, "index": "0", "version": "1",
    "object_id": "1", "deployment": "blue", "pod": "a-pod", "container": "inference-server", "table": "jobs",
    "kind": "command-job",
}  # fmt: skip


def addresses(resolver: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, Any]]:
    for one in (resolver or get_resolver()).url_patterns:
        whole = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one, whole)
        elif isinstance(one, URLPattern):
            yield whole, one.callback


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
        status="ready",
    )  # fmt: skip
    deployment = Deployment.objects.create(endpoint=endpoint, name="blue", status="ready", token=PLANTED)
    revision = Revision.objects.create(deployment=deployment, number=1, status="good", spec={})
    Deployment.objects.update(wanted=revision, current=revision, good=revision)
    fleet = SavedView.objects.create(table="clusters", owner=people.operator, name="a-view", shared=True)
    known = NEEDED | {"view_id": str(view.pk), "site_view_id": str(fleet.pk)}
    known |= {"token_id": str(token.pk), "invitation_id": str(invitation.pk)}
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


def letter(path: str, answer: Any) -> str:
    if answer.status_code in {302, 401} and (answer.status_code == 401 or answer["Location"].startswith("/accounts/login/")):
        assert (answer.status_code == 401) == path.startswith(("/api/", "/live/")), answer.status_code
        return "s"
    if answer.status_code == 403:
        return "f"
    if answer.status_code == 404:
        return "n"
    assert answer.status_code < 500, (path, answer.status_code, answer.content[:300])
    return "y"


def test_every_address_is_in_the_table() -> None:
    in_table = {pattern for _, pattern in TABLE} | PODS.keys() | KNOWN_OF_OTHERS
    unknown = {pattern for pattern, _ in addresses()} - in_table
    assert not unknown, f"say in TABLE who may use {sorted(unknown)}"
    assert not in_table - {pattern for pattern, _ in addresses()}, "the table names addresses that are gone"


def test_every_operation_of_the_api_is_in_the_table() -> None:
    from studio.api.root import api

    offered = set()
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            whole = "api/v1" + prefix + path.replace("{", "<").replace("}", ">")
            offered |= {(method, whole) for operation in view.operations for method in operation.methods}
    table = {key for key in TABLE if key[1].startswith("api/v1/") and key[1] != "api/v1/openapi.json"}
    assert offered == table


def test_every_view_says_itself_who_may_use_it() -> None:
    of_its_own = ("", "healthz", "readyz", "metrics", "live/")
    silent = [
        pattern
        for pattern, view in addresses()
        if not pattern.startswith(("accounts/", "api/")) and pattern not in of_its_own and not _guarded(view)
    ]
    assert silent == []


def _guarded(view: Any) -> bool:
    while view is not None:
        if hasattr(view, "access"):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


# What lies inside is not there, for those who may look: a 404 that tells no role from another.
NOTHING_INSIDE = {
    _JOB + "outputs/<str:root>/<path:file>", _JOB + "code/<path:file>", _JOB + "code.zip", _JOB + "code/", _JOB + "outputs.zip",
    _API_JOB + "/outputs/<root>/<path:path>", _API_W + "blobs/<digest>", _MODEL_VERSION + "files/<path:file>",
    _API_VERSION + "/files/<path:path>", _END + "consume/ca.pem", _POD + "lines", _POD + "download", _API_DEP + "/logs",
}  # fmt: skip


@pytest.mark.parametrize("who", WHO)
def test_everyone_gets_what_the_table_says(
    who: str, people: People, everything: dict[str, str], client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = None if who == "nobody" else getattr(people, who)
    wrong, leaks = [], []
    client = client_for(person)
    for (method, pattern), letters in TABLE.items():
        if pattern == "live/" and who != "nobody":
            continue  # never ends: tests/studio/live
        expected = letters[WHO.index(who)]
        path = filled(pattern, everything)
        # Taken back each time, so that everything is there for the next.
        with transaction.atomic():
            answer = asked(client, method, path, BODIES.get((method, pattern), {}))
            transaction.set_rollback(True)
        told = letter(path, answer)
        if expected == "y" and pattern in NOTHING_INSIDE and told == "n":
            continue
        if told != expected:
            wrong.append(f"{method} {path}: {who} got {answer.status_code} ({told}), the table says {expected}")
        if not answer.streaming and PLANTED.encode() in answer.content:
            leaks.append(path)
    assert wrong == []
    assert leaks == []


@pytest.mark.parametrize("who", WHO)
def test_roles_come_before_what_is_wrong_with_a_body(
    who: str, people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    client = client_for(None if who == "nobody" else getattr(people, who))
    wrong = []
    for (method, pattern), letters in TABLE.items():
        expected = letters[WHO.index(who)]
        if (method, pattern) in BODIES and expected != "y":
            path = filled(pattern, everything)
            answer = asked(client, method, path, {"name": {"not": ["a", "name"]}})
            if letter(path, answer) != expected:
                wrong.append(f"{method} {pattern}: {who} got {answer.status_code}, the table says {expected}")
    assert wrong == []


@pytest.mark.parametrize("who", WHO)
def test_no_person_gets_in_where_pods_do(who: str, people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    client = client_for(None if who == "nobody" else getattr(people, who))
    Job.objects.update(status="Running")
    for pattern, method in PODS.items():
        assert asked(client, method, filled(pattern, everything), {}).status_code == 401, pattern


def test_nobody_signs_up(client: Client, db: None) -> None:
    from studio.accounts.models import User

    form = {"username": "mallory", "password1": "a long password 1", "password2": "a long password 1"}
    client.post("/accounts/signup/", form)
    assert not User.objects.filter(username="mallory").exists()


@pytest.mark.parametrize("role", ["reader", "contributor", "owner"])
def test_what_is_in_one_workspace_is_not_found_through_another(
    role: str, people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    from studio.accounts.models import Membership, Workspace

    other = Workspace.objects.create(name="another")
    Membership.objects.create(user=people.stranger, workspace=other, role=role)
    client = client_for(people.stranger)
    paths = ["/w/another/jobs/a_job/", "/w/another/jobs/a_job/log/", "/api/v1/workspaces/another/jobs/a_job",
             "/api/v1/workspaces/another/jobs/a_job/outputs.zip", "/api/v1/workspaces/another/computes/local"]  # fmt: skip
    assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 404)


def test_a_person_who_was_made_inactive_is_out_at_once(people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    client = client_for(people.owner)
    assert client.get("/w/team/jobs/").status_code == 200
    people.owner.is_active = False
    people.owner.save()
    assert client.get("/w/team/jobs/").status_code == 302
    assert client.get("/api/v1/me").status_code == 401
