"""After the end of a command: its outputs, the end of its log and its exit, brought or offered to the studio.

Imported only then, since HTTP and digests would double the sidecar's memory for as long as the job runs.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from runner.errors import RunnerError
from runner.outputs import Output, Problem, find_outputs
from runner.studio import Studio
from runner.upload import Given, Upload, digest_file, listing, open_output, read_file

if TYPE_CHECKING:
    from runner.serve import Sidecar
    from runner.web import Request

# How long bringing the end of the log may be refused; a pod should not hold its place for a log alone.
TAIL_SECONDS = 120.0


def deliver(sidecar: Sidecar) -> None:
    """See to it that the studio has everything, or that it is known what it does not have."""
    found = find_outputs(sidecar.volume, sidecar.spec.outputs)
    sidecar.found, sidecar.problems = found.outputs, found.problems
    sidecar.total.update(total=len(found.outputs), bytes_total=sum(_size(output) for output in found.outputs))
    sidecar.state = "uploading"
    if sidecar.watch.exit is None:
        text = "The command was killed with its container, so its own exit code is not known."
        sidecar.problems.append(Problem("job-exit-unknown", text, "warning"))
    sidecar.notes.say(f"The command has ended; {len(found.outputs)} files to keep.")
    try:
        if sidecar.spec.transport == "push":
            _offer(sidecar)
        else:
            _bring(sidecar)
    except RunnerError as error:
        sidecar.state = "failed"
        sidecar.notes.say(f"Not everything was delivered. {error.text}")
    except Given as error:
        sidecar.state = "failed"
        sidecar.notes.say(f"The studio wants nothing of this job any more. {error}")


def _bring(sidecar: Sidecar) -> None:
    tail = threading.Thread(target=_push_tail, args=(sidecar,), name="tail", daemon=True)
    tail.start()
    studio = Studio(sidecar.spec, sidecar.token)
    try:
        upload = Upload(studio, sidecar.spec.process, sidecar.journal, sidecar.remaining, sidecar.notes.say)
        if not any(_put_all(sidecar, upload, again) for again in (False, True)):
            sidecar.state = "failed"
            sidecar.notes.say("The studio did not acknowledge the outputs.")
            return
        failed = any(problem.severity == "error" for problem in sidecar.problems)
        sidecar.state = "failed" if failed else "acknowledged"
        sidecar.notes.say("The studio has acknowledged the end.")
        tail.join()
        sidecar.journal.finish()
        sidecar.finished = True
    finally:
        studio.close()
        tail.join(_bounded(sidecar.remaining()))


def _put_all(sidecar: Sidecar, upload: Upload, again: bool) -> bool:
    """Put every output and tell the end; tell whether the studio has acknowledged it."""
    if again:
        upload.forget()
    told = list(sidecar.problems)
    sidecar.total.update(done=0, bytes_done=0)
    for output in sidecar.found:
        problem = upload.put(output)
        if problem is not None:
            told.append(problem)
            sidecar.notes.say(problem.text)
            continue
        sidecar.total["done"] += 1
        sidecar.total["bytes_done"] += sidecar.journal.stored[output.root, output.path][0]
    acknowledged = upload.finish(
        {
            "pod_uid": sidecar.pod_uid,
            "exit": sidecar.watch.exit,
            "outputs": listing(sidecar.journal.stored, sidecar.found),
            "problems": [problem.as_dict() for problem in told],
        }
    )
    if acknowledged:
        sidecar.problems = told
    return acknowledged


def _push_tail(sidecar: Sidecar) -> None:
    """Push the end of the log when nobody has come for it."""
    if sidecar.wait_for_log_taken(_pull_seconds()):
        return
    studio = Studio(sidecar.spec, sidecar.token)
    try:
        ends = time.monotonic() + TAIL_SECONDS
        upload = Upload(
            studio,
            sidecar.spec.process,
            sidecar.journal,
            lambda: min(ends - time.monotonic(), sidecar.remaining() or TAIL_SECONDS),
            sidecar.notes.say,
        )
        size = sidecar.watch.sizes["std_log.txt"]
        offset = sidecar.journal.acknowledged.get("std_log.txt", 0)
        sidecar.notes.say(f"Nobody reads the log; bringing it from byte {offset} on.")
        upload.push_log(sidecar.volume, sidecar.pod_uid, offset, size)
    except RunnerError as error:
        sidecar.notes.say(f"The end of the log could not be brought. {error.text}")
    finally:
        studio.close()


def _offer(sidecar: Sidecar) -> None:
    """Wait until the studio has fetched outputs and log, or the time is over."""
    for output in sidecar.found:
        try:
            handle = open_output(output)
            try:
                sidecar.journal.stored[output.root, output.path] = digest_file(handle)
            finally:
                os.close(handle)
        except (OSError, RunnerError) as error:
            sidecar.problems.append(Problem("output-not-readable", f"{output.root}/{output.path} cannot be read: {error}."))
    sidecar.listed.set()
    while not (sidecar.taken.wait(0.1) and sidecar.wait_for_log_taken(0.1)):
        left = sidecar.remaining()
        if left is not None and left <= 0:
            raise RunnerError("output-not-stored", "The studio did not fetch outputs and log in time.")
    sidecar.state = "acknowledged"
    sidecar.finished = True
    sidecar.journal.finish()


def handle_outputs(sidecar: Sidecar, request: Request, path: str) -> None:
    """Offer the outputs to a studio that fetches them."""
    if not sidecar.listed.is_set():
        request.answer(503, {"error": "the command has not ended, or its outputs are still being read"}, {"Retry-After": "1"})
    elif request.method == "GET" and not path:
        problems = [problem.as_dict() for problem in sidecar.problems]
        request.answer(200, {"outputs": listing(sidecar.journal.stored, sidecar.found), "problems": problems})
    elif request.method == "GET":
        root, _, rest = path.partition("/")
        _send_output(sidecar, request, root, rest)
    elif request.method == "POST" and path == "ack":
        _take_acknowledgement(sidecar, request)


def _send_output(sidecar: Sidecar, request: Request, root: str, path: str) -> None:
    stamp = sidecar.journal.stored.get((root, path))
    output = next((output for output in sidecar.found if (output.root, output.path) == (root, path)), None)
    if stamp is None or output is None:
        return
    handle = open_output(output)
    try:
        request.start(length=stamp[0], headers={"X-Mooring-Sha256": stamp[2]})
        for piece in read_file(handle, stamp):
            request.send(piece)
    except RunnerError as error:
        # The reader sees a body that is too short, and asks for the listing again.
        request.keep = False
        sidecar.notes.say(error.text)
    finally:
        os.close(handle)


def _take_acknowledgement(sidecar: Sidecar, request: Request) -> None:
    try:
        told = json.loads(request.body.read() or b"{}")
    except ValueError:
        request.answer(400, {"error": "the body is no JSON"})
        return
    wanted = {(output.root, output.path) for output in sidecar.found if (output.root, output.path) in sidecar.journal.stored}
    missing: list[str] = []
    rows: list[dict[str, Any]] | None = told.get("outputs") if isinstance(told, dict) else None
    if rows is not None:
        has = {(row.get("root"), row.get("path"), str(row.get("sha256", "")).rpartition(":")[2]) for row in rows}
        missing = [f"{root}/{path}" for root, path in sorted(wanted) if (root, path, _digest(sidecar, root, path)) not in has]
    if missing:
        request.answer(409, {"error": "not all outputs were fetched", "missing": missing[:100]})
        return
    sidecar.total.update(done=len(wanted), bytes_done=sum(sidecar.journal.stored[key][0] for key in wanted))
    sidecar.taken.set()
    request.answer(200, {"acknowledged": True})


def _digest(sidecar: Sidecar, root: str, path: str) -> str:
    return sidecar.journal.stored[root, path][2]


def _size(output: Output) -> int:
    try:
        return os.lstat(output.place).st_size
    except OSError:
        return 0


def _pull_seconds() -> float:
    from runner.serve import PULL_SECONDS

    return float(os.environ.get("MOORING_PULL_SECONDS", PULL_SECONDS))


def _bounded(left: float | None) -> float | None:
    return None if left is None else max(0.0, left)
