"""Files that came with a page's form become trees of the workspace, so that a form that comes back still has them."""

from collections.abc import Sequence
from typing import Any, BinaryIO, cast

from django.http import HttpRequest

from studio.accounts.models import Workspace
from studio.assets.models import Snapshot
from studio.assets.services import tree_of_archive, tree_of_uploads
from studio.core.errors import ProblemError
from studio.core.numbers import filesize
from studio.core.texts import read_json

PACKED = (".zip", ".tar", ".tar.gz", ".tgz")


def snapshot_sent(
    request: HttpRequest, workspace: Workspace, name: str, problems: list[ProblemError], *, field: str = "", unpack: bool = True
) -> Snapshot | None:
    """Keep the files of a drop field (a folder, files, or one zip) as a tree; None when there are none or they are refused."""
    files = request.FILES.getlist(name)
    if not files:
        return None
    try:
        if unpack and len(files) == 1 and str(files[0].name).lower().endswith(PACKED):
            return tree_of_archive(workspace, cast(BinaryIO, files[0].file))
        paths = _paths(request.POST.get(f"{name}_paths", ""), files)
        return tree_of_uploads(workspace, [(path, cast(BinaryIO, file.file)) for path, file in zip(paths, files, strict=True)])
    except ProblemError as error:
        error.field = field or name
        problems.append(error)
        return None


def digest_held(workspace: Workspace, digest: str) -> str:
    """Return the digest if the workspace holds its tree, else nothing: a digest from a page is no right to content."""
    return digest if digest and Snapshot.objects.filter(workspace=workspace, digest=digest).exists() else ""


def words_of(workspace: Workspace, digest: str) -> str:
    """Return what a kept tree is, in words: how many files, how large."""
    kept = Snapshot.objects.filter(workspace=workspace, digest=digest).first() if digest else None
    return f"Kept: {kept.count} {'file' if kept.count == 1 else 'files'}, {filesize(kept.size)}" if kept else ""


def _paths(text: str, files: Sequence[Any]) -> list[str]:
    names = [str(file.name) for file in files]
    try:
        paths = read_json(text)
    except ValueError:
        return names
    return [str(path) for path in paths] if isinstance(paths, list) and len(paths) == len(files) else names
