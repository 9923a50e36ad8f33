"""Which rows the console shows, and what of them in its lists."""

from django.contrib import admin

from compute.models import Cluster, Compute, InstanceType
from endpoints.models import Deployment, Endpoint
from jobs.models import Job
from studio.accounts.models import ApiToken, Membership, User, Workspace
from studio.assets.models import ImageRule, Model, ModelVersion
from studio.audit.models import Entry
from studio.console.looking import Looked
from studio.console.site import console


@admin.register(User, site=console)
class Users(Looked):
    list_display = ("username", "email", "is_active", "is_superuser", "is_operator", "last_login", "date_joined")
    list_filter = ("is_active", "is_superuser", "is_operator")
    search_fields = ("username", "email", "first_name", "last_name")
    hidden = ("is_staff",)


@admin.register(Workspace, site=console)
class Workspaces(Looked):
    list_display = ("name", "display_name", "created_at")
    search_fields = ("name", "display_name")


@admin.register(Membership, site=console)
class Memberships(Looked):
    list_display = ("user", "workspace", "role")
    list_filter = ("role",)
    search_fields = ("user__username", "workspace__name")
    joined = ("user", "workspace")


@admin.register(ApiToken, site=console)
class ApiTokens(Looked):
    list_display = ("name", "user", "created_at", "expires_at", "last_used_at", "revoked_at")
    search_fields = ("name", "user__username")
    joined = ("user",)


@admin.register(Cluster, site=console)
class Clusters(Looked):
    list_display = ("name", "server", "status", "kubernetes_version", "seen_at")
    list_filter = ("status",)
    search_fields = ("name", "server")


@admin.register(Compute, site=console)
class Computes(Looked):
    list_display = ("name", "workspace", "cluster", "namespace", "status")
    list_filter = ("status",)
    search_fields = ("name", "namespace", "workspace__name", "cluster__name")
    joined = ("workspace", "cluster")


@admin.register(InstanceType, site=console)
class InstanceTypes(Looked):
    list_display = ("name", "cluster", "group", "is_default")
    search_fields = ("name", "cluster__name")
    joined = ("cluster",)


@admin.register(Job, site=console)
class Jobs(Looked):
    list_display = ("name", "workspace", "status", "experiment", "compute_name", "submitted_by", "created_at")
    list_filter = ("status",)
    search_fields = ("name__startswith", "display_name__startswith", "workspace__name")
    joined = ("workspace", "submitted_by")


@admin.register(Endpoint, site=console)
class Endpoints(Looked):
    list_display = ("name", "workspace", "status", "compute_name", "created_at")
    list_filter = ("status",)
    search_fields = ("name", "workspace__name")
    joined = ("workspace",)


@admin.register(Deployment, site=console)
class Deployments(Looked):
    list_display = ("name", "endpoint", "status", "instance_count", "created_at")
    list_filter = ("status",)
    search_fields = ("name", "endpoint__name")
    joined = ("endpoint", "endpoint__workspace")


@admin.register(Model, site=console)
class Models(Looked):
    list_display = ("name", "workspace", "type", "archived", "created_at")
    list_filter = ("type", "archived")
    search_fields = ("name", "workspace__name")
    joined = ("workspace",)


@admin.register(ModelVersion, site=console)
class ModelVersions(Looked):
    list_display = ("model", "version", "stage", "job_name", "archived", "created_at")
    list_filter = ("archived",)
    search_fields = ("model__name", "job_name")
    joined = ("model", "model__workspace")


@admin.register(ImageRule, site=console)
class ImageRules(Looked):
    list_display = ("pattern", "image", "note")
    search_fields = ("pattern", "image")


@admin.register(Entry, site=console)
class Entries(Looked):
    list_display = ("at", "actor_name", "verb", "target_kind", "target_name", "workspace", "result", "via", "address")
    list_filter = ("result", "via")
    search_fields = ("=actor_name", "=target_name", "=request_id", "=workspace")
    # The account may be gone; its name is kept beside it. An entry has none about itself.
    hidden = ("actor", "audit", "in_the_studio")
