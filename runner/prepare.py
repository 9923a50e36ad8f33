"""Make ready what the command needs: folders, code, inputs, the entrypoint. Runs before the job's container."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from runner import trees
from runner.errors import Refused, RunnerError, Unavailable
from runner.layout import Layout, Notes, Spec, layout, make_folder, read_spec, read_token, replace_file
from runner.patience import persist
from runner.studio import Studio

DEADLINE_SECONDS = 300.0
PROGRESS_EVERY = 5.0
TERMINATION_LOG = "/dev/termination-log"


def main() -> int:
    """Prepare the shared volume; give 0, or 1 with the reason in the termination log."""
    # The first process of a container gets no SIGTERM unless it asks for it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    os.umask(0o002)
    volume = layout()
    notes: Notes | None = None
    try:
        make_folders(volume)
        notes = Notes(volume.log("prepare.txt"))
        prepare(volume, read_spec(), read_token(), notes)
        return 0
    except RunnerError as error:
        return _fail(notes, error)
    except OSError as error:
        return _fail(notes, RunnerError("job-scratch-unusable", f"The job's scratch volume cannot be used: {error}."))
    except Exception as error:
        _fail(notes, RunnerError("job-preparing-failed", f"The runner itself failed: {error!r}."))
        raise


def prepare(volume: Layout, spec: Spec, token: str, notes: Notes) -> None:
    """Fetch everything and write entry.json last; raise RunnerError with the reason otherwise."""
    started = time.monotonic()
    if spec.kind == "deployment":
        copy_scoring(volume)
        make_folder(volume.path("models"))
    else:
        copy_entrypoint(volume)
    if spec.transport == "push":
        from runner.feed import be_fed

        be_fed(volume, spec, token, notes, deadline_seconds())
    else:
        fetch_all(volume, spec, token, notes)
    if spec.kind != "deployment":
        make_output_folders(volume, spec)
        write_entry(volume, spec)
    notes.say(f"Ready in {time.monotonic() - started:.1f} s.")


def make_folders(volume: Layout) -> None:
    """Make the folders that every job has."""
    for folder in ("bin", "run", "run/log", "work", "inputs", "outputs", "home"):
        make_folder(volume.path(folder))


def make_output_folders(volume: Layout, spec: Spec) -> None:
    """Make the folders that the command writes into; after the code, which may bring its own."""
    make_folder(volume.path("work"))
    for folder in ("outputs", "logs"):
        make_folder(volume.path("work", folder))
    for output in spec.outputs.values():
        place = volume.place(output["path"])
        make_folder(place if output.get("kind", "folder") == "folder" else os.path.dirname(place))


def copy_entrypoint(volume: Layout) -> None:
    """Copy the entrypoint to where the job's container finds it."""
    source = os.environ.get("MOORING_ENTRYPOINT") or os.path.join(os.path.dirname(__file__), "bin", "entrypoint")
    _copy_program(source, volume.path("bin", "entrypoint"))


def copy_scoring(volume: Layout) -> None:
    """Copy the scoring server to where a deployment's container finds it."""
    source = os.environ.get("MOORING_SCORING_FILE") or os.path.join(os.path.dirname(__file__), "bin", "scoring.pyz")
    _copy_program(source, volume.path("bin", "scoring.pyz"))


def _copy_program(source: str, target: str) -> None:
    try:
        with open(source, "rb") as file:
            replace_file(target, file.read())
    except FileNotFoundError as error:
        text = f"The runner image is not whole: {error.filename} is not in it."
        raise RunnerError("job-runner-image-broken", text) from error
    os.chmod(target, 0o775)


def write_entry(volume: Layout, spec: Spec) -> None:
    """Tell the entrypoint what to run. Written last: its presence says that all is ready."""
    entry = {
        "command": spec.command,
        "cwd": volume.path("work"),
        "log": volume.log("std_log.txt"),
        "exit": volume.run("exit.json"),
        "timeout_seconds": spec.timeout_seconds,
        "grace_seconds": spec.grace_seconds,
        "shell": ["bash", "-c"],
    }
    replace_file(volume.run("entry.json"), json.dumps(entry).encode())


def wanted_trees(volume: Layout, spec: Spec) -> list[tuple[str, str, str]]:
    """List what has to be there as (what it is called, its digest, its folder)."""
    wanted = [("code", spec.code, volume.path("work"))] if spec.code else []
    for name, source in sorted(spec.inputs.items()):
        place = volume.place(source["path"])
        folder = os.path.dirname(place) if source.get("kind") == "file" else place
        wanted.append((f"input {name}", source["digest"], folder))
    return wanted


def fetch_all(volume: Layout, spec: Spec, token: str, notes: Notes) -> None:
    """Fetch code and inputs from the studio, trying again until the deadline."""
    ends = time.monotonic() + deadline_seconds()

    def remaining() -> float:
        return ends - time.monotonic()

    studio = Studio(spec, token)
    try:
        notes.say(f"Asking for the studio at {spec.url}.")
        persist(studio.check, remaining, notes.say)
        for what, digest, folder in wanted_trees(volume, spec):
            try:
                persist(_fetching(studio, what, digest, folder, notes), remaining, notes.say)
            except RunnerError as error:
                raise _named(what, error) from error
    finally:
        studio.close()


def deadline_seconds() -> float:
    """Give how long the world may take to let us get ready."""
    return float(os.environ.get("MOORING_PREPARE_SECONDS", DEADLINE_SECONDS))


class Progress:
    """Say now and then how far a download has come."""

    def __init__(self, what: str, notes: Notes, files: int | None = None, size: int | None = None) -> None:
        self._what, self._notes = what, notes
        self._files, self._size = files, size
        self._said = time.monotonic()

    def __call__(self, files: int, size: int) -> None:
        """Take the number of files and bytes that have arrived."""
        now = time.monotonic()
        if now - self._said < PROGRESS_EVERY:
            return
        self._said = now
        of_files = f" of {self._files}" if self._files is not None else ""
        of_size = f" of {self._size}" if self._size is not None else ""
        self._notes.say(f"Fetching {self._what}: {files}{of_files} files, {size}{of_size} bytes.")


def _fetching(studio: Studio, what: str, digest: str, folder: str, notes: Notes) -> Callable[[], None]:
    def fetch() -> None:
        import http.client

        address = f"/trees/{digest}"
        try:
            with studio.get(address) as response:
                listing = trees.read_listing(response.read(), digest)
            size = sum(file.size for file in listing.values())
            notes.say(f"Fetching {what}: {len(listing)} files, {size} bytes.")
            progress = Progress(what, notes, len(listing), size)
            with studio.get(address + ".tar") as response:
                trees.unpack(response, folder, digest, listing=listing, progress=progress)
                if response.read(1):
                    studio.close()  # more than a tar: the connection cannot be used again
        except (OSError, http.client.HTTPException) as error:
            studio.close()
            raise Unavailable("job-studio-unreachable", f"Fetching {what} broke off: {error!r}.") from error
        except RunnerError:
            studio.close()
            raise
        notes.say(f"{what[0].upper()}{what[1:]} is here.")

    return fetch


def _named(what: str, error: RunnerError) -> RunnerError:
    """Say for whom a failure came: the same cause is another problem for code and for inputs."""
    if isinstance(error, Refused) and error.id == "job-studio-refused":
        id = "job-code-unavailable" if what == "code" else "job-inputs-unavailable"
        return RunnerError(id, f"The {what} cannot be had. {error.text}")
    if error.id == "job-inputs-damaged" and what == "code":
        return RunnerError("job-code-damaged", f"The {what} did not arrive as it was sent. {error.text}")
    return RunnerError(error.id, f"The {what} could not be fetched. {error.text}")


def _fail(notes: Notes | None, error: RunnerError) -> int:
    if notes is not None:
        notes.say(f"Failed ({error.id}): {error.text}")
    else:
        print(f"{error.id}: {error.text}", file=sys.stderr)
    told: dict[str, Any] = {"id": error.id, "text": error.text[:2000]}
    try:
        with open(os.environ.get("MOORING_TERMINATION_LOG", TERMINATION_LOG), "w", encoding="utf-8") as file:
            file.write(json.dumps(told))
    except OSError:
        pass
    return 1
