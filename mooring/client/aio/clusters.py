"""Made by setup/async_client.py from mooring/client/clusters.py: change that one."""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from mooring.client.aio.transport import Transport, segment
from mooring.client.aio.workspaces import Scope, listed
from mooring.client.models import Cluster, Compute, InstanceType
from mooring.errors import MooringProblem, wait_over

Values = str | Sequence[str] | None


class Clusters:
    """The attached clusters; for operators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        status: Values = None,
        distribution: Values = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> list[Cluster]:
        """Return the clusters by name: of a status or several, of a distribution, that contain `q`, `most` of them at most.

        `view` names a saved view; what is given beside it stands in the view's stead. `sort` is a column as `-cpu`.
        """
        query = {"state": status, "distribution": distribution, "q": q, "view": view, "sort": sort}
        return [Cluster.of(one) async for one in listed(self._transport, "clusters", query, most=most)]

    async def get(self, name: str) -> Cluster:
        """Return one cluster."""
        return Cluster.of(await self._transport.json("GET", f"clusters/{segment(name)}"))

    async def attach(
        self,
        name: str,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        in_cluster: bool = False,
        allow_insecure: bool = False,
    ) -> Cluster:
        """Attach a cluster by the text of a kubeconfig, or the cluster that the studio runs in."""
        body: dict[str, Any] = {"name": name, "in_cluster": in_cluster, "allow_insecure": allow_insecure}
        body |= {"kubeconfig": kubeconfig or "", "context": context or ""}
        return Cluster.of(await self._transport.json("POST", "clusters", json=body))

    async def update(self, name: str, /, **changes: Any) -> Cluster:
        """Change a cluster in place."""
        return Cluster.of(await self._transport.json("PATCH", f"clusters/{segment(name)}", json=changes))

    async def replace_credentials(self, name: str, *, kubeconfig: str, context: str | None = None, allow_insecure: bool = False) -> Cluster:
        """Replace the credentials by those of a kubeconfig; the old ones are never shown."""
        body = {"kubeconfig": kubeconfig, "context": context or "", "allow_insecure": allow_insecure}
        return Cluster.of(await self._transport.json("PUT", f"clusters/{segment(name)}/credentials", json=body))

    async def probe(self, name: str, *, wait: bool = True, seconds: float = 180) -> Cluster:
        """Have a cluster looked at again: what it is, what Mooring may do there, the ways that bytes take; wait until that is done."""
        before = (await self.get(name)).answer.get("probed_at")
        await self._transport.json("POST", f"clusters/{segment(name)}/probe")
        deadline = time.monotonic() + seconds
        while True:
            cluster = await self.get(name)
            if not wait or cluster.answer.get("probed_at") != before:
                return cluster
            if time.monotonic() > deadline:
                raise wait_over(f"{name} was not looked at within {seconds:.0f} s.")
            await asyncio.sleep(0.5)

    async def detach(self, name: str, *, forget: bool = False) -> Mapping[str, Any]:
        """Detach a cluster and take along what Mooring put into it; return what goes and what stays.

        `forget` drops a cluster that does not answer without cleaning it.
        """
        query = {"forget": "true"} if forget else None
        return dict(await self._transport.json("DELETE", f"clusters/{segment(name)}", query=query) or {})

    async def wait(self, name: str, *, seen: Callable[[Cluster], None] | None = None, seconds: float = 900) -> Cluster | None:
        """Wait while the cluster is being connected or detached; None once it is gone."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                cluster = await self.get(name)
            except MooringProblem as problem:
                if problem.status == 404:
                    return None
                raise
            if seen:
                seen(cluster)
            if cluster.status not in ("connecting", "detaching"):
                return cluster
            if time.monotonic() > deadline:
                raise wait_over(f"{name} is still {cluster.status} after {seconds:.0f} s.")
            await asyncio.sleep(0.5)

    async def manifest(self, name: str | None = None, *, namespaces: Sequence[str] = (), extension: bool = False) -> str:
        """Return, as YAML, the identity with the least rights that Mooring needs: in a cluster, or in any.

        The namespaces of the cluster's computes are among it, and those named; `extension` for installing it, too.
        """
        path = f"clusters/{segment(name)}/manifest" if name else "clusters/manifest"
        query = {"namespace": [*namespaces]} | ({"extension": "true"} if extension else {})
        return (await self._transport.send("GET", path, query=query, headers={"Accept": "*/*"})).text

    async def instance_types(
        self,
        cluster: str,
        *,
        show: Literal["all", "fit", "gpu"] | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> builtins.list[InstanceType]:
        """Return the instance types of a cluster by name: all, those that fit now, or those with GPUs; that contain `q`."""
        query = {"show": show, "q": q, "view": view, "sort": sort}
        path = f"clusters/{segment(cluster)}/instance-types"
        return [InstanceType.of(one) async for one in listed(self._transport, path, query, most=most)]

    async def instance_type(self, cluster: str, name: str) -> InstanceType:
        """Return one instance type."""
        return InstanceType.of(await self._transport.json("GET", _type_path(cluster, name)))

    async def create_instance_type(self, cluster: str, name: str, spec: Mapping[str, Any], *, default: bool | None = None) -> InstanceType:
        """Make an instance type by the spec of an InstanceType resource, the default one if asked for."""
        body = {"name": name, "spec": dict(spec), "default": default}
        return InstanceType.of(await self._transport.json("POST", f"clusters/{segment(cluster)}/instance-types", json=body))

    async def replace_instance_type(
        self, cluster: str, name: str, spec: Mapping[str, Any], *, default: bool | None = None, version: str = ""
    ) -> InstanceType:
        """Replace the spec of an instance type; with its `version` only if nobody else did meanwhile."""
        body = {"spec": dict(spec), "default": default, "resource_version": version}
        return InstanceType.of(await self._transport.json("PUT", _type_path(cluster, name), json=body))

    async def delete_instance_type(self, cluster: str, name: str) -> None:
        """Delete an instance type."""
        await self._transport.send("DELETE", _type_path(cluster, name))


class Computes:
    """The computes of a workspace."""

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    async def list(
        self,
        *,
        status: Values = None,
        cluster: Values = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
        workspace: str | None = None,
    ) -> list[Compute]:
        """Return the workspace's computes by name: of a status or several, of a cluster, that contain `q`, `most` of them at most.

        `view` names a saved view; what is given beside it stands in the view's stead. `sort` is a column as `-created_at`.
        """
        query = {"state": status, "cluster": cluster, "q": q, "view": view, "sort": sort}
        return [Compute.of(one) async for one in listed(self._transport, await self._scope.path(workspace, "computes"), query, most=most)]

    async def get(self, name: str, *, workspace: str | None = None) -> Compute:
        """Return one compute."""
        return Compute.of(await self._transport.json("GET", await self._path(workspace, name)))

    async def attach(
        self, name: str, *, cluster: str, namespace: str = "", create_namespace: bool = True, workspace: str | None = None, **more: Any
    ) -> Compute:
        """Attach a namespace of a cluster to the workspace; for operators. Without a namespace one is proposed.

        `more` takes default_instance_type, run_as_root and description.
        """
        body = {"name": name, "cluster": cluster, "namespace": namespace, "create_namespace": create_namespace, **more}
        return Compute.of(await self._transport.json("POST", await self._scope.path(workspace, "computes"), json=body))

    async def update(self, name: str, /, *, workspace: str | None = None, **changes: Any) -> Compute:
        """Change a compute in place."""
        return Compute.of(await self._transport.json("PATCH", await self._path(workspace, name), json=changes))

    async def detach(self, name: str, *, running: Literal["cancel", "leave"] | None = None, workspace: str | None = None) -> None:
        """Detach a compute; `running` says what becomes of jobs that still run on it."""
        await self._transport.send("DELETE", await self._path(workspace, name), query={"running": running})

    async def wait(
        self, name: str, *, seen: Callable[[Compute], None] | None = None, seconds: float = 900, workspace: str | None = None
    ) -> Compute | None:
        """Wait while the compute is being attached or detached; None once it is gone."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                compute = await self.get(name, workspace=workspace)
            except MooringProblem as problem:
                if problem.status == 404:
                    return None
                raise
            if seen:
                seen(compute)
            if compute.status not in ("attaching", "detaching"):
                return compute
            if time.monotonic() > deadline:
                raise wait_over(f"{name} is still {compute.status} after {seconds:.0f} s.")
            await asyncio.sleep(0.5)

    async def _path(self, workspace: str | None, name: str) -> str:
        return await self._scope.path(workspace, f"computes/{segment(name)}")


def _type_path(cluster: str, name: str) -> str:
    return f"clusters/{segment(cluster)}/instance-types/{segment(name)}"
