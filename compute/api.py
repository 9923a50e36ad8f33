"""API operations on clusters, their instance types, and the computes of workspaces."""

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from compute import manifests, selectors, services, shown, tables
from compute.extension.api import router as extension_router
from compute.instance_types import default_name
from compute.models import Cluster, Compute
from studio.accounts.access import require_operator, workspace_for
from studio.api.bodies import RequestBody
from studio.api.conditions import matched
from studio.core.errors import ProblemError
from studio.tables.operations import list_query, listed_lines

router = Router(tags=["clusters"])
router.add_router("", extension_router)

Answer = dict[str, Any]
ClustersQuery: Any = list_query(tables.CLUSTERS)
TypesQuery: Any = list_query(tables.TYPES)
ComputesQuery: Any = list_query(tables.WORKSPACE_COMPUTES)


class ClusterIn(RequestBody):
    """A cluster to attach: a kubeconfig and one of its contexts, or the cluster that the studio runs in."""

    name: str
    kubeconfig: str = ""
    context: str = ""
    allow_insecure: bool = False
    in_cluster: bool = False


class ClusterChange(RequestBody):
    """What of a cluster changes."""

    name: str | None = None
    server: str | None = None


class CredentialsIn(RequestBody):
    """New credentials of a cluster."""

    kubeconfig: str
    context: str = ""
    allow_insecure: bool = False


class InstanceTypeIn(RequestBody):
    """An instance type: its spec is that of the InstanceType object."""

    spec: dict[str, Any]
    default: bool | None = None
    resource_version: str = ""


class NamedInstanceTypeIn(InstanceTypeIn):
    """An instance type to create."""

    name: str


class ComputeIn(RequestBody):
    """A compute to attach; without a namespace one is proposed."""

    name: str
    cluster: str
    namespace: str = ""
    create_namespace: bool = True
    default_instance_type: str = ""
    run_as_root: bool = False
    description: str = ""


class ComputeChange(RequestBody):
    """What of a compute changes."""

    name: str | None = None
    namespace: str | None = None
    create_namespace: bool = False
    default_instance_type: str | None = None
    run_as_root: bool | None = None
    description: str | None = None


@router.get("/clusters")
def list_clusters(request: HttpRequest, given: Query[ClustersQuery]) -> Answer:
    """List the clusters; for operators, as is everything about clusters."""
    require_operator(request.user)
    lines = tables.cluster_lines(selectors.clusters().prefetch_related("nodes"))
    return listed_lines(request, tables.CLUSTERS, lines, given, show=shown.cluster)


@router.post("/clusters", response={201: Answer})
def attach_cluster(request: HttpRequest, given: ClusterIn) -> tuple[int, Answer]:
    """Attach a cluster after it was seen to answer."""
    require_operator(request.user)
    return 201, shown.cluster(services.attach_cluster(request.user, **given.dict()), whole=True)


@router.get("/clusters/manifest")
def least_privilege_manifest(request: HttpRequest, namespace: Query[list[str]] = [], extension: bool = False) -> HttpResponse:  # noqa: B006
    """Return the least-privilege identity as YAML for kubectl, before there is a cluster to ask; `extension` for installing it, too."""
    require_operator(request.user)
    return _yaml(namespace, extension)


@router.get("/clusters/{name}")
def show_cluster(request: HttpRequest, name: str) -> Answer:
    """Show a cluster with its nodes, its computes and what its last probe found."""
    return shown.cluster(matched(request, _cluster(request, name)), whole=True)


@router.patch("/clusters/{name}")
def change_cluster(request: HttpRequest, name: str, given: ClusterChange) -> Answer:
    """Rename a cluster; another server address takes new credentials."""
    row = services.edit_cluster(request.user, matched(request, _cluster(request, name)), **given.dict())
    return shown.cluster(row, whole=True)


@router.delete("/clusters/{name}", response={202: Answer})
def detach_cluster(request: HttpRequest, name: str, forget: bool = False) -> tuple[int, Answer]:
    """Detach a cluster and clean it; `forget` drops one that does not answer."""
    row = matched(request, _cluster(request, name))
    going = services.what_goes(row)
    services.detach_cluster(request.user, row, forget=forget)
    return 202, {"name": name, "goes": going.lines, "stays": going.stays}


@router.post("/clusters/{name}/probe", response={202: Answer})
def probe_cluster(request: HttpRequest, name: str) -> tuple[int, Answer]:
    """Have a cluster looked at again."""
    row = _cluster(request, name)
    services.probe_again(request.user, row)
    return 202, {"name": name}


@router.get("/clusters/{name}/manifest")
def manifest_of(request: HttpRequest, name: str, namespace: Query[list[str]] = [], extension: bool = False) -> HttpResponse:  # noqa: B006
    """Return the least-privilege identity for a cluster, with the namespaces of its computes and those asked for."""
    row = _cluster(request, name)
    return _yaml([*(each.namespace for each in row.computes.all()), *namespace], extension)


@router.put("/clusters/{name}/credentials")
def replace_credentials(request: HttpRequest, name: str, given: CredentialsIn) -> Answer:
    """Replace the credentials; they are never shown."""
    row = services.replace_credentials(request.user, matched(request, _cluster(request, name)), **given.dict())
    return shown.cluster(row, whole=True)


@router.get("/clusters/{name}/instance-types")
def list_instance_types(request: HttpRequest, name: str, given: Query[TypesQuery]) -> Answer:
    """List a cluster's instance types with what fits now, the implicit one included."""
    row = _cluster(request, name)
    types, fits = selectors.types_of(row), selectors.fits(Compute(cluster=row), list(row.nodes.all()))
    lines = tables.type_lines(row, types.values(), fits, default_name(types))
    return listed_lines(request, tables.TYPES, lines, given, show=lambda each: shown.instance_type(each, fits[each.name]))


@router.post("/clusters/{name}/instance-types", response={201: Answer})
def create_instance_type(request: HttpRequest, name: str, given: NamedInstanceTypeIn) -> tuple[int, Answer]:
    """Create an instance type in the cluster."""
    row = _cluster(request, name)
    services.save_instance_type(request.user, row, name=given.name, spec=given.spec, create=True)
    return 201, _with_default(request, row, given.name, given.default)


@router.get("/clusters/{name}/instance-types/{type}")
def show_instance_type(request: HttpRequest, name: str, type: str) -> Answer:
    """Show one instance type."""
    return _type(_cluster(request, name), type)


@router.put("/clusters/{name}/instance-types/{type}")
def change_instance_type(request: HttpRequest, name: str, type: str, given: InstanceTypeIn) -> Answer:
    """Change an instance type; with `resource_version` only if nobody else did meanwhile."""
    row = _cluster(request, name)
    services.save_instance_type(request.user, row, name=type, spec=given.spec, create=False, version=given.resource_version)
    return _with_default(request, row, type, given.default)


@router.delete("/clusters/{name}/instance-types/{type}", response={204: None})
def delete_instance_type(request: HttpRequest, name: str, type: str) -> tuple[int, None]:
    """Delete an instance type from the cluster."""
    services.delete_instance_type(request.user, _cluster(request, name), name=type)
    return 204, None


@router.get("/workspaces/{workspace}/computes")
def list_computes(request: HttpRequest, workspace: str, given: Query[ComputesQuery]) -> Answer:
    """List a workspace's computes."""
    space = workspace_for(request.user, workspace)
    lines = tables.workspace_compute_lines(selectors.computes_of(space))
    return listed_lines(request, tables.WORKSPACE_COMPUTES, lines, given, show=shown.compute, workspace=space)


@router.post("/workspaces/{workspace}/computes", response={201: Answer})
def attach_compute(request: HttpRequest, workspace: str, given: ComputeIn) -> tuple[int, Answer]:
    """Give a workspace a namespace of a cluster; for operators."""
    require_operator(request.user)
    space = services.workspace_named(workspace)
    values = given.dict()
    cluster = _cluster(request, values.pop("cluster"), field="cluster")
    row = services.attach_compute(request.user, space, cluster=cluster, create=values.pop("create_namespace"), **values)
    return 201, shown.compute(row, whole=True)


@router.get("/workspaces/{workspace}/computes/{name}")
def show_compute(request: HttpRequest, workspace: str, name: str) -> Answer:
    """Show a compute with its instance types and what fits now."""
    return shown.compute(matched(request, _compute(workspace_for(request.user, workspace), name)), whole=True)


@router.patch("/workspaces/{workspace}/computes/{name}")
def change_compute(request: HttpRequest, workspace: str, name: str, given: ComputeChange) -> Answer:
    """Change a compute in place; for operators."""
    require_operator(request.user)
    values = given.dict()
    row = matched(request, _compute(services.workspace_named(workspace), name))
    row = services.change_compute(request.user, row, create=values.pop("create_namespace"), **values)
    return shown.compute(row, whole=True)


@router.delete("/workspaces/{workspace}/computes/{name}", response={202: Answer})
def detach_compute(request: HttpRequest, workspace: str, name: str, running: Literal["cancel", "leave"] = "cancel") -> tuple[int, Answer]:
    """Take a compute back; `running` says what happens to its jobs. For operators."""
    require_operator(request.user)
    row = services.detach_compute(
        request.user, matched(request, _compute(services.workspace_named(workspace), name)), running=running
    )
    return 202, {"name": name, "status": row.status, "namespace": row.namespace}


def _cluster(request: HttpRequest, name: str, *, field: str | None = None) -> Cluster:
    require_operator(request.user)
    row = Cluster.objects.filter(name=name).first()
    if row is None:
        if field:
            raise ProblemError("field-invalid", field=field, text=f"There is no cluster {name}.")
        raise ProblemError("not-found")
    return row


def _compute(workspace: Any, name: str) -> Any:
    row = selectors.computes_of(workspace).filter(name=name).first()
    if row is None:
        raise ProblemError("not-found")
    return row


def _type(row: Cluster, name: str) -> Answer:
    found = selectors.types_of(row).get(name)
    if found is None:
        raise ProblemError("not-found")
    return shown.instance_type(found)


def _with_default(request: HttpRequest, row: Cluster, name: str, default: bool | None) -> Answer:
    is_default = selectors.types_of(row)[name].is_default
    if default is not None and default != is_default:
        services.set_default_instance_type(request.user, row, name=name if default else "")
    return _type(row, name)


def _yaml(namespaces: list[str], extension: bool) -> HttpResponse:
    for namespace in namespaces:
        services.check_namespace_name(namespace)
    answer = HttpResponse(manifests.least_privilege(namespaces, extension=extension), content_type="application/yaml; charset=utf-8")
    answer["Content-Disposition"] = 'inline; filename="mooring.yaml"'
    return answer
