"""Files and folders by content: only what the studio does not have yet is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mooring.client.transport import Transport, segment
from mooring.client.workspaces import Scope
from mooring.errors import MooringError, MooringProblem
from mooring.files import BLOCK, LocalFile, files_of

Progress = Callable[[int, int], None]
AT_ONCE = 4
# The studio removes content that nothing names after a while, so what was there may be gone when the tree follows.
ROUNDS = 3


class Content:
    """The content of a workspace."""

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    def upload_code(self, folder: Path, *, workspace: str | None = None, progress: Progress | None = None) -> str:
        """Send a code folder (or one file) without what its ignore files leave out; return the tree's digest."""
        return self.upload(files_of(folder), workspace=workspace, progress=progress)

    def upload_input(self, place: Path, *, workspace: str | None = None, progress: Progress | None = None) -> str:
        """Send an input, a file or a folder; return the tree's digest.

        A `.gitignore` is not applied: it often names the very files that are the input. An `.amlignore` is.
        """
        return self.upload(files_of(place, ignore_names=(".amlignore",)), workspace=workspace, progress=progress)

    def upload(self, files: Sequence[LocalFile], *, workspace: str | None = None, progress: Progress | None = None) -> str:
        """Send files as one tree; return its digest. `progress` gets bytes sent and bytes to send."""
        tree = {"files": [file.as_dict() for file in files]}
        by_digest = {file.digest: file for file in files}
        for _ in range(ROUNDS):
            try:
                answer = self._transport.json("POST", self._scope.path(workspace, "trees"), json=tree)
                return str(answer["digest"])
            except MooringProblem as problem:
                missing = problem.body.get("missing")
                if problem.status != 409 or not isinstance(missing, list):
                    raise
                self._send([by_digest[digest] for digest in missing if digest in by_digest], workspace, progress)
        raise not_kept()

    def _send(self, files: list[LocalFile], workspace: str | None, progress: Progress | None) -> None:
        total = sum(file.size for file in files)
        sent = {file.digest: 0 for file in files}

        def note(digest: str, count: int) -> None:
            sent[digest] = count
            if progress:
                progress(sum(sent.values()), total)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            # Reading all answers raises the first problem.
            list(pool.map(lambda file: self._send_one(file, workspace, note), files))

    def _send_one(self, file: LocalFile, workspace: str | None, note: Callable[[str, int], None]) -> None:
        path = self._scope.path(workspace, f"blobs/{segment(file.digest)}")
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.size)}

        def blocks() -> Iterator[bytes]:
            count = 0
            with file.source.open("rb") as source:
                while block := source.read(BLOCK // 4):
                    yield block
                    count += len(block)
                    note(file.digest, count)

        self._transport.send("PUT", path, body=blocks, headers=headers)


def not_kept() -> MooringError:
    """Return the problem of files that the studio asks for again and again."""
    return MooringError(
        "upload-not-kept",
        "The files could not be kept",
        f"The studio still misses files after they were sent {ROUNDS} times.",
        "Try again; if it happens again, tell an administrator: its store may be full.",
    )
