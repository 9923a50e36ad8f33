"""Online endpoints and their deployments: made from YAML files, called, watched, and taken away."""

from __future__ import annotations

import base64
import builtins
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from mooring.client.content import Content, Progress
from mooring.client.models import Called, Deployment, Endpoint
from mooring.client.transport import Backoff, Transport, lost, segment
from mooring.client.workspaces import Scope, listed
from mooring.errors import ConnectionLost, MooringError, MooringProblem, wait_over
from mooring.files import files_of
from mooring.jobfile import local_path, read_text, set_over


class Endpoints:
    """The online endpoints of a workspace."""

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    def create(self, file: str | Path, *, overrides: Sequence[str] = (), workspace: str | None = None) -> Endpoint:
        """Create the endpoint of a YAML file; `overrides` are "compute=local", "name=demo", …"""
        return self.create_from_text(read_text(Path(file)), overrides=overrides, workspace=workspace)

    def create_from_text(self, yaml: str, *, overrides: Sequence[str] = (), workspace: str | None = None) -> Endpoint:
        """Create the endpoint of a YAML text."""
        body = {"yaml": yaml, "set": [*overrides]}
        return Endpoint.of(self._transport.json("POST", self._scope.path(workspace, "online-endpoints"), json=body))

    def validate(self, file: str | Path, *, overrides: Sequence[str] = (), workspace: str | None = None) -> Mapping[str, Any]:
        """Have a YAML file checked without making an endpoint; return what was understood, raise on what is wrong."""
        body = {"yaml": read_text(Path(file)), "set": [*overrides]}
        return dict(self._transport.json("POST", self._scope.path(workspace, "online-endpoints/validate"), json=body))

    def update(self, name: str, file: str | Path, *, overrides: Sequence[str] = (), workspace: str | None = None) -> Endpoint:
        """Bring an endpoint to what a YAML file says."""
        body = {"yaml": read_text(Path(file)), "set": [*overrides]}
        return Endpoint.of(self._transport.json("PUT", self._path(workspace, name), json=body))

    def edit(
        self, name: str, *, description: str | None = None, tags: Mapping[str, str] | None = None, workspace: str | None = None
    ) -> Endpoint:
        """Change the description or the tags."""
        body = {"description": description, "tags": dict(tags) if tags is not None else None}
        return Endpoint.of(self._transport.json("PATCH", self._path(workspace, name), json=body))

    def set_traffic(
        self,
        name: str,
        traffic: Mapping[str, int] | None = None,
        *,
        mirror: Mapping[str, int] | None = None,
        workspace: str | None = None,
    ) -> Endpoint:
        """Share the requests among deployments (percents, 0 or 100 in all); copy `mirror` percent to another one."""
        body = {"traffic": dict(traffic) if traffic is not None else None, "mirror_traffic": dict(mirror) if mirror is not None else None}
        return Endpoint.of(self._transport.json("PUT", self._path(workspace, name, "traffic"), json=body))

    def list(
        self,
        *,
        status: str | Sequence[str] | None = None,
        compute: str | Sequence[str] | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
        workspace: str | None = None,
    ) -> list[Endpoint]:
        """Return the workspace's endpoints, newest first: of a status, on a compute, that contain `q`, `most` of them at most.

        `view` names a saved view; what is given beside it stands in the view's stead. `sort` is a column as `-name`.
        """
        query = {"state": status, "compute": compute, "q": q, "view": view, "sort": sort}
        return [Endpoint.of(one) for one in listed(self._transport, self._scope.path(workspace, "online-endpoints"), query, most=most)]

    def get(self, name: str, *, workspace: str | None = None) -> Endpoint:
        """Return one endpoint with its deployments."""
        return Endpoint.of(self._transport.json("GET", self._path(workspace, name)))

    def keys(self, name: str, *, workspace: str | None = None) -> Mapping[str, str]:
        """Return `primaryKey` and `secondaryKey`; the studio writes down who asked."""
        return dict(self._transport.json("POST", self._path(workspace, name, "keys")))

    def regenerate_key(self, name: str, key_type: str, *, workspace: str | None = None) -> Endpoint:
        """Replace the primary or the secondary key; the other one goes on opening the endpoint."""
        body = {"key_type": key_type}
        return Endpoint.of(self._transport.json("POST", self._path(workspace, name, "regenerate-keys"), json=body))

    def invoke(
        self,
        name: str,
        body: bytes,
        *,
        deployment: str = "",
        content_type: str = "application/json",
        path: str = "score",
        workspace: str | None = None,
    ) -> Called:
        """Send one request through the studio; return what was answered, whatever its status."""
        given: dict[str, Any] = {"deployment": deployment, "content_type": content_type, "path": path}
        try:
            given |= {"body": body.decode(), "base64": False}
        except UnicodeDecodeError:
            given |= {"body": base64.b64encode(body).decode(), "base64": True}
        return Called.of(self._transport.json("POST", self._path(workspace, name, "invoke"), json=given))

    def metrics(self, name: str, *, over: str = "15m", points: bool = False, workspace: str | None = None) -> Mapping[str, Any]:
        """Return requests/s, times (ms) and errors by code of the last 15m, 1h, 6h, 24h or 14d, for each deployment and for `all`.

        With `points` each has them over time, too, beside `at` in seconds.
        """
        query: dict[str, str | int] = {"range": over, "points": int(points)}
        return dict(self._transport.json("GET", self._path(workspace, name, "metrics"), query=query))

    def delete(self, name: str, *, workspace: str | None = None) -> None:
        """Delete an endpoint with all its deployments."""
        self._transport.json("DELETE", self._path(workspace, name))

    def wait(
        self,
        name: str,
        *,
        seen: Callable[[Endpoint], None] | None = None,
        timeout_seconds: float | None = None,
        workspace: str | None = None,
    ) -> Endpoint | None:
        """Wait until the router does what was asked for, or has refused it; None once the endpoint is gone."""
        deadline = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
        while True:
            try:
                endpoint = self.get(name, workspace=workspace)
            except MooringProblem as problem:
                if problem.status == 404:
                    return None
                raise
            if seen:
                seen(endpoint)
            if endpoint.status == "failed" or (endpoint.status == "ready" and endpoint.applied):
                return endpoint
            if deadline is not None and time.monotonic() > deadline:
                raise wait_over(f"{name} is still {endpoint.status} after {timeout_seconds:g} s.")
            time.sleep(0.5)

    def _path(self, workspace: str | None, name: str, rest: str = "") -> str:
        return self._scope.path(workspace, f"online-endpoints/{segment(name)}" + (f"/{rest}" if rest else ""))


class Deployments:
    """The deployments of online endpoints."""

    def __init__(self, transport: Transport, scope: Scope, content: Content) -> None:
        self._transport = transport
        self._scope = scope
        self._content = content

    def create(
        self,
        file: str | Path,
        *,
        endpoint: str = "",
        overrides: Sequence[str] = (),
        all_traffic: bool = False,
        workspace: str | None = None,
        progress: Progress | None = None,
    ) -> Deployment:
        """Create the deployment of a YAML file, with the code and the model that it names on this machine.

        `endpoint` stands in for the `endpoint_name` of the YAML. With `all_traffic` it gets all requests when ready.
        """
        text, folder = read_text(Path(file)), Path(file).parent
        return self.create_from_text(
            text, folder=folder, endpoint=endpoint, overrides=overrides, all_traffic=all_traffic, workspace=workspace, progress=progress
        )

    def create_from_text(
        self,
        yaml: str,
        *,
        folder: str | Path = ".",
        endpoint: str = "",
        overrides: Sequence[str] = (),
        all_traffic: bool = False,
        workspace: str | None = None,
        progress: Progress | None = None,
    ) -> Deployment:
        """Create the deployment of a YAML text whose paths are relative to `folder`."""
        name, body = self._body(yaml, Path(folder), overrides, all_traffic, workspace, progress)
        if not (endpoint or name):
            raise _unnamed()
        return Deployment.of(self._transport.json("POST", self._path(workspace, endpoint or name), json=body))

    def update(
        self,
        name: str,
        file: str | Path | None = None,
        *,
        endpoint: str,
        overrides: Sequence[str] = (),
        all_traffic: bool = False,
        workspace: str | None = None,
        progress: Progress | None = None,
    ) -> Deployment:
        """Bring a deployment to what a YAML file says; without a file, to what it is with `overrides` over it."""
        if file is None:
            now = self.get(name, endpoint=endpoint, workspace=workspace)
            named = {one.partition("=")[0] for one in overrides}
            earlier = [one for one in now.answer.get("set", ()) if one.partition("=")[0] not in named]
            body: dict[str, Any] = {"yaml": now.answer.get("yaml", ""), "set": [*earlier, *overrides], "all_traffic": all_traffic}
        else:
            _, body = self._body(read_text(Path(file)), Path(file).parent, overrides, all_traffic, workspace, progress)
        return Deployment.of(self._transport.json("PUT", self._path(workspace, endpoint, name), json=body))

    def validate(
        self, file: str | Path, *, endpoint: str = "", overrides: Sequence[str] = (), workspace: str | None = None
    ) -> Mapping[str, Any]:
        """Have a YAML file checked without deploying anything; what it names on this machine is looked for, not sent."""
        yaml, folder = read_text(Path(file)), Path(file).parent
        fields = set_over(yaml, overrides, source=folder)
        for named in (_part(fields, "code_configuration", "code"), _part(fields, "model", "path")):
            place = local_path(named, folder)
            if place is not None:
                files_of(place)  # raises for what cannot be sent
        of = endpoint or str(fields.get("endpoint_name") or "")
        if not of:
            raise _unnamed()
        body = {"yaml": yaml, "set": [*overrides]}
        return dict(self._transport.json("POST", self._path(workspace, of, "validate"), json=body))

    def list(self, *, endpoint: str, workspace: str | None = None) -> list[Deployment]:
        """Return the deployments of an endpoint."""
        return [Deployment.of(one) for one in listed(self._transport, self._path(workspace, endpoint))]

    def get(self, name: str, *, endpoint: str, workspace: str | None = None) -> Deployment:
        """Return one deployment with its replicas and revisions."""
        return Deployment.of(self._transport.json("GET", self._path(workspace, endpoint, name)))

    def edit(self, name: str, *, endpoint: str, retry: bool, workspace: str | None = None) -> Deployment:
        """Say whether requests whose connection failed are tried at another replica; no pod changes."""
        return Deployment.of(self._transport.json("PATCH", self._path(workspace, endpoint, name), json={"retry": retry}))

    def scale(self, name: str, count: int, *, endpoint: str, workspace: str | None = None) -> Deployment:
        """Run so many instances."""
        path = self._path(workspace, endpoint, name, "scale")
        return Deployment.of(self._transport.json("POST", path, json={"instance_count": count}))

    def roll_back(self, name: str, *, endpoint: str, revision: int | None = None, workspace: str | None = None) -> Deployment:
        """Go back to a revision that was ready; without a number to the last one before."""
        path = self._path(workspace, endpoint, name, "rollback")
        return Deployment.of(self._transport.json("POST", path, json={"revision": revision}))

    def retry(self, name: str, *, endpoint: str, workspace: str | None = None) -> Deployment:
        """Roll the newest revision out once more."""
        return Deployment.of(self._transport.json("POST", self._path(workspace, endpoint, name, "retry")))

    def roll_out(self, name: str, *, endpoint: str, workspace: str | None = None) -> Deployment:
        """Replace all pods, without a gap, by new ones made with the cluster's settings of now."""
        return Deployment.of(self._transport.json("POST", self._path(workspace, endpoint, name, "rollout")))

    def delete(self, name: str, *, endpoint: str, workspace: str | None = None) -> None:
        """Delete a deployment that gets no traffic."""
        self._transport.json("DELETE", self._path(workspace, endpoint, name))

    def logs(
        self,
        name: str,
        *,
        endpoint: str,
        container: str = "inference-server",
        pod: str = "",
        lines: int = 50,
        previous: bool = False,
        workspace: str | None = None,
    ) -> bytes:
        """Return the last lines that a container printed, with `previous` before its restart: of the pod named, else of one that serves."""
        query: dict[str, str | int] = {"container": container, "pod": pod, "lines": lines, "previous": int(previous)}
        path = self._path(workspace, endpoint, name, "logs")
        return self._transport.send("GET", path, query=query, headers={"Accept": "*/*"}).content

    def follow(
        self,
        name: str,
        *,
        endpoint: str,
        container: str = "inference-server",
        pod: str = "",
        lines: int = 50,
        said: Callable[[str], None] | None = None,
        patience_seconds: float = 300,
        workspace: str | None = None,
    ) -> Iterator[bytes]:
        """Yield what a container prints as it prints it, from its last lines on, until its replica is gone.

        A connection that breaks is made again from the byte after the last one. `said` gets what the node says instead of lines.
        Raises ConnectionLost when reconnecting has not worked for `patience_seconds`.
        """
        retries = Backoff(patience_seconds)
        at: dict[str, Any] = {"container": container, "pod": pod, "lines": lines, "follow": 1}
        ended = {"it": False, "said": ""}
        path = self._path(workspace, endpoint, name, "logs")
        while not ended["it"]:
            try:
                for chunk in self._follow(path, at, ended):
                    retries.restart()
                    yield chunk
            except httpx.ReadTimeout:
                continue  # nothing was printed for a while
            except (httpx.TransportError, ConnectionLost) as error:
                if not retries.wait():
                    raise error if isinstance(error, ConnectionLost) else lost(self._transport.url, error) from error
                continue
            if said and ended["said"]:
                said(str(ended["said"]))
            retries.restart()
            if not ended["it"]:
                time.sleep(1)

    def containers(self, name: str, *, endpoint: str, workspace: str | None = None) -> builtins.list[Mapping[str, Any]]:
        """Return the containers of each replica whose log can be read."""
        return [dict(one) for one in listed(self._transport, self._path(workspace, endpoint, name, "containers"))]

    def wait(
        self,
        name: str,
        *,
        endpoint: str,
        seen: Callable[[Deployment], None] | None = None,
        timeout_seconds: float | None = None,
        workspace: str | None = None,
    ) -> Deployment | None:
        """Wait until the deployment is ready, degraded or failed; None once it is gone."""
        deadline = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
        while True:
            try:
                deployment = self.get(name, endpoint=endpoint, workspace=workspace)
            except MooringProblem as problem:
                if problem.status == 404:
                    return None
                raise
            if seen:
                seen(deployment)
            if deployment.status in ("ready", "degraded", "failed"):
                return deployment
            if deadline is not None and time.monotonic() > deadline:
                raise wait_over(f"{name} is still {deployment.status} after {timeout_seconds:g} s.")
            time.sleep(0.5)

    def _follow(self, path: str, at: dict[str, Any], ended: dict[str, Any]) -> Iterator[bytes]:
        """Yield what comes of one connection, and note from where the next one goes on, and whether there is to be one."""
        try:
            with self._transport.stream(path, query=at) as response:
                at["pod"] = response.headers.get("X-Log-Pod", at["pod"])
                at["offset"] = int(response.headers.get("X-Log-Offset", at.get("offset", 0)))
                ended["said"] = response.headers.get("X-Log-Said", "")
                for chunk in response.iter_raw():
                    at["offset"] += len(chunk)
                    yield chunk
                ended["it"] = response.headers.get("X-Log-Ended") == "true"
        except MooringProblem as problem:
            # A proxy's 502 is as good as a broken connection; a replica that was there and is not has nothing more to say.
            if problem.status in (502, 503, 504):
                raise httpx.ReadError(str(problem)) from problem
            if problem.status != 404 or "offset" not in at:
                raise
            ended["it"] = True

    def _body(
        self, yaml: str, folder: Path, overrides: Sequence[str], all_traffic: bool, workspace: str | None, progress: Progress | None
    ) -> tuple[str, dict[str, Any]]:
        """Send what the YAML names on this machine; return its endpoint's name, and the body of the request."""
        fields = set_over(yaml, overrides, source=folder)
        code, model = (_part(fields, "code_configuration", "code"), _part(fields, "model", "path"))
        places = {"code": local_path(code, folder), "model": local_path(model, folder)}
        body: dict[str, Any] = {"yaml": yaml, "set": [*overrides], "all_traffic": all_traffic}
        if places["code"] is not None:
            body["code"] = self._content.upload_code(places["code"], workspace=workspace, progress=progress)
        if places["model"] is not None:
            body["model"] = self._content.upload_input(places["model"], workspace=workspace, progress=progress)
        return str(fields.get("endpoint_name") or ""), body

    def _path(self, workspace: str | None, endpoint: str, *rest: str) -> str:
        return self._scope.path(workspace, "/".join([f"online-endpoints/{segment(endpoint)}/deployments", *map(segment, rest)]))


def _unnamed() -> MooringError:
    todo = "Add `endpoint_name:` to the YAML, or name it (`--endpoint-name`)."
    return MooringError("endpoint-name-missing", "No endpoint named", "The YAML does not say of which endpoint it is.", todo)


def _part(fields: Mapping[str, Any], name: str, inner: str) -> Any:
    value = fields.get(name)
    return value.get(inner) if isinstance(value, dict) else None


__all__: builtins.list[str] = ["Deployments", "Endpoints"]
