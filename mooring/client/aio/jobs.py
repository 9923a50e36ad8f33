"""Made by setup/async_client.py from mooring/client/jobs.py: change that one."""

from __future__ import annotations

import asyncio
import builtins
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from mooring.client.aio import download
from mooring.client.aio.content import Content, Progress
from mooring.client.aio.transport import Backoff, Transport, lost, segment
from mooring.client.aio.workspaces import Scope, listed
from mooring.client.models import Job, LogFile, OutputFile
from mooring.client.stamps import Stamps
from mooring.errors import ConnectionLost, MooringProblem, wait_over
from mooring.files import files_of
from mooring.jobfile import JobFile, find_local, read_job_file

Seen = Callable[[Job], None]


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, transport: Transport, scope: Scope, content: Content) -> None:
        self._transport = transport
        self._scope = scope
        self._content = content

    async def create(
        self,
        file: str | Path,
        *,
        overrides: Sequence[str] = (),
        workspace: str | None = None,
        progress: Progress | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit the job of a YAML file, with the code and the inputs that it names on this machine.

        `overrides` are "compute=local", "inputs.rate=0.1", …. Submitting again with the same `idempotency_key` gives
        the same job; without one, a connection that breaks half-way still makes only one job.
        """
        return await self._submit(read_job_file(Path(file), overrides), overrides, workspace, progress, idempotency_key or uuid.uuid4().hex)

    async def create_from_text(
        self,
        yaml: str,
        *,
        folder: str | Path = ".",
        overrides: Sequence[str] = (),
        workspace: str | None = None,
        progress: Progress | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit the job of a YAML text whose paths are relative to `folder`."""
        found = find_local(yaml, Path(folder), overrides)
        return await self._submit(found, overrides, workspace, progress, idempotency_key or uuid.uuid4().hex)

    async def validate(self, file: str | Path, *, overrides: Sequence[str] = (), workspace: str | None = None) -> Mapping[str, Any]:
        """Have the studio check a YAML file without submitting it; return its answer, raise on what is wrong."""
        job = read_job_file(Path(file), overrides)
        for place in (job.code, *job.inputs.values()):
            if place is not None:
                files_of(place)
        body = {"yaml": job.text, "set": [*overrides], "local_inputs": sorted(job.inputs)}
        return dict(await self._transport.json("POST", await self._scope.path(workspace, "jobs/validate"), json=body) or {})

    async def list(
        self,
        *,
        status: str | Sequence[str] | None = None,
        experiment: str | Sequence[str] | None = None,
        compute: str | Sequence[str] | None = None,
        tag: str | Sequence[str] | None = None,
        since: str | None = None,
        q: str | None = None,
        mine: bool | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
        workspace: str | None = None,
    ) -> list[Job]:
        """Return jobs, newest first: of a status, that contain `q`, one's own, `most` of them at most.

        `experiment`, `compute` and `tag` (`key` or `key=value`) take one or several, `since` a day or how long ago (`7d`).
        `view` names a saved view; what is given beside it stands in the view's stead. `sort` is a column as `-started`.
        """
        query = {
            "status": status,
            "experiment": experiment,
            "compute": compute,
            "tag": tag,
            "since": since,
            "q": q,
            "mine": "true" if mine else None,
            "view": view,
            "sort": sort,
        }
        return [Job.of(one) async for one in listed(self._transport, await self._scope.path(workspace, "jobs"), query, most=most)]

    async def get(self, name: str, *, workspace: str | None = None) -> Job:
        """Return one job."""
        return Job.of(await self._transport.json("GET", await self._path(workspace, name)))

    async def yaml(self, name: str, *, workspace: str | None = None) -> str:
        """Return the YAML that the job was submitted with."""
        return (await self._transport.send("GET", await self._path(workspace, name, "yaml"), headers={"Accept": "*/*"})).text

    async def cancel(self, name: str, *, workspace: str | None = None) -> None:
        """Ask for the job to be canceled; it keeps its log and outputs so far."""
        await self._transport.json("POST", await self._path(workspace, name, "cancel"))

    async def resubmit(self, name: str, *, workspace: str | None = None) -> Job:
        """Submit the same job once more; return the new one."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return Job.of(await self._transport.json("POST", await self._path(workspace, name, "resubmit"), headers=headers))

    async def delete(self, name: str, *, workspace: str | None = None) -> None:
        """Delete a job that has ended, with its log and outputs."""
        await self._transport.send("DELETE", await self._path(workspace, name))

    async def wait(self, name: str, *, seen: Seen | None = None, timeout_seconds: float | None = None, workspace: str | None = None) -> Job:
        """Wait until the job has ended; `seen` gets it each time it is looked at. Raises MooringError (`wait-over`)."""
        deadline = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
        while True:
            job = await self.get(name, workspace=workspace)
            if seen:
                seen(job)
            if job.is_final:
                return job
            if deadline is not None and time.monotonic() > deadline:
                raise wait_over(f"{name} is still {job.status} after {timeout_seconds:g} s.")
            await asyncio.sleep(1)

    async def logs(self, name: str, *, workspace: str | None = None) -> builtins.list[LogFile]:
        """Return which logs there are."""
        return [LogFile.of(one) async for one in listed(self._transport, await self._path(workspace, name, "logs"))]

    async def stream(
        self,
        name: str,
        *,
        process: int = 0,
        offset: int = 0,
        timestamps: bool = False,
        seen: Seen | None = None,
        patience_seconds: float = 300,
        workspace: str | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield the log of one process from a byte offset on, as it is written, until the job has ended.

        With `timestamps` each line begins with the time at which the studio received it, as `2026-03-01T12:00:00.250Z `.

        A connection that breaks is made again from the byte after the last one: nothing is lost or doubled. When the
        process is tried again, the log of the new attempt follows. Raises ConnectionLost when reconnecting has not
        worked for `patience_seconds`. `seen` gets the job whenever it is looked at.
        """
        retries = Backoff(patience_seconds)
        attempt: int | None = None
        stamps = Stamps() if timestamps else None
        while True:
            before = offset
            try:
                job = await self.get(name, workspace=workspace)
                if seen:
                    seen(job)
                current = max(job.attempt(process), 1)
                anew = attempt is not None and current > attempt
                if anew:
                    before = offset = 0
                attempt = current
                if stamps:
                    stamps.connected(anew=anew)
                async for chunk in self._follow(name, process, offset, workspace, timestamps=timestamps):
                    shown, count = stamps.take(chunk) if stamps else (chunk, len(chunk))
                    offset += count
                    retries.restart()
                    yield shown
                whole = offset == before and job.is_final and await self._is_whole(name, process, offset, workspace)
            except httpx.ReadTimeout:
                continue
            except (httpx.TransportError, ConnectionLost) as error:
                if not await retries.wait():
                    raise error if isinstance(error, ConnectionLost) else lost(self._transport.url, error) from error
                continue
            if whole:
                return
            retries.restart()
            if offset == before:
                await asyncio.sleep(1)

    async def outputs(self, name: str, *, workspace: str | None = None) -> builtins.list[OutputFile]:
        """Return the outputs that were kept so far."""
        return [OutputFile.of(one) async for one in listed(self._transport, await self._path(workspace, name, "outputs"))]

    async def download(
        self, name: str, folder: str | Path, *, root: str | None = None, progress: Progress | None = None, workspace: str | None = None
    ) -> builtins.list[Path]:
        """Bring the outputs (or those of one `root`) into a folder; return where they lie.

        `artifacts` come into `<folder>/artifacts`, a named output into `<folder>/named-outputs/<name>`. Each file is
        checked against its digest; one that is already there with the right content is not fetched again.
        """
        files = [file for file in await self.outputs(name, workspace=workspace) if root in (None, file.root)]
        below = await self._path(workspace, name, "outputs")
        return await download.fetch_all(self._transport, below, files, Path(folder), progress)

    async def _submit(self, job: JobFile, overrides: Sequence[str], workspace: str | None, progress: Progress | None, key: str) -> Job:
        code = job.code and await self._content.upload_code(job.code, workspace=workspace, progress=progress)
        inputs = {
            name: await self._content.upload_input(place, workspace=workspace, progress=progress) for name, place in job.inputs.items()
        }
        body: Mapping[str, Any] = {"yaml": job.text, "set": [*overrides], "code": code, "local_inputs": inputs}
        path = await self._scope.path(workspace, "jobs")
        return Job.of(await self._transport.json("POST", path, json=body, headers={"Idempotency-Key": key}))

    async def _follow(self, name: str, process: int, offset: int, workspace: str | None, *, timestamps: bool) -> AsyncIterator[bytes]:
        path = await self._path(workspace, name, f"logs/{process}")
        query = {"offset": offset, "follow": 1, "timestamps": "true" if timestamps else None}
        try:
            async with self._transport.stream(path, query=query) as response:
                async for one in response.aiter_raw():
                    yield one
        except MooringProblem as problem:
            if problem.status in (502, 503, 504):
                raise httpx.ReadError(str(problem)) from problem
            if problem.status != 404:
                raise

    async def _is_whole(self, name: str, process: int, offset: int, workspace: str | None) -> bool:
        """Say whether nothing of an ended job's log is still to come."""
        mine = [log for log in await self.logs(name, workspace=workspace) if log.process == process]
        return not mine or (mine[-1].final and offset >= mine[-1].bytes)

    async def _path(self, workspace: str | None, name: str, rest: str = "") -> str:
        return await self._scope.path(workspace, f"jobs/{segment(name)}" + (f"/{rest}" if rest else ""))
