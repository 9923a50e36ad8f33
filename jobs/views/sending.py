"""What came with a job's form: files become trees of the workspace, so that a form that comes back still has them."""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO, cast

from django.http import HttpRequest

from jobs.forms import Draft, InputRow, Pair
from studio.accounts.models import Workspace
from studio.assets.models import Snapshot
from studio.assets.services import take_tree, tree_for, tree_of_archive, tree_of_uploads
from studio.assets.trees import Tree
from studio.core.errors import ProblemError
from studio.core.numbers import filesize

FIELDS = (
    "command", "image", "compute", "instance_type", "count", "display_name", "experiment", "description", "time_limit",
)  # fmt: skip
MOST_ROWS = 500


def draft_from_post(request: HttpRequest, workspace: Workspace, problems: list[ProblemError]) -> Draft:
    """Return what was typed and sent with the form; what is wrong with the files is added to `problems`."""
    post = request.POST
    draft = Draft(
        fields={name: post.get(name, "") for name in FIELDS},
        variables=_pairs(request, "env"),
        tags=_pairs(request, "tag"),
        code=digest_held(workspace, post.get("code_kept", "")),
        code_path=post.get("code_path", "")[:1000],
        kept=kept_digests(workspace, post.get("kept_inputs", "")),
        rest=_mapping(post.get("rest", "")),
    )
    sent = snapshot_sent(request, workspace, "code", problems)
    draft.code = sent.digest if sent else draft.code
    draft.inputs = _inputs(request, workspace, problems)
    return draft


def snapshot_sent(
    request: HttpRequest, workspace: Workspace, name: str, problems: list[ProblemError], *, field: str = "", unpack: bool = True
) -> Snapshot | None:
    """Keep the files of a drop field (a folder, files, or one zip) as a tree; None when there are none or they are refused."""
    files = request.FILES.getlist(name)
    if not files:
        return None
    try:
        if unpack and len(files) == 1 and str(files[0].name).lower().endswith((".zip", ".tar", ".tar.gz", ".tgz")):
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


def kept_digests(workspace: Workspace, text: str) -> dict[str, str]:
    """Return the digests of inputs that a page carried along, as far as the workspace holds them."""
    found = {name: digest_held(workspace, str(digest)) for name, digest in list(_mapping(text).items())[:MOST_ROWS]}
    return {name: digest for name, digest in found.items() if digest}


def words_of(workspace: Workspace, digest: str) -> str:
    """Return what a kept tree is, in words: how many files, how large."""
    kept = Snapshot.objects.filter(workspace=workspace, digest=digest).first() if digest else None
    return f"Kept: {kept.count} {'file' if kept.count == 1 else 'files'}, {filesize(kept.size)}" if kept else ""


def part_of(workspace: Workspace, tree: Tree, path: str) -> str:
    """Return the digest of what lies at a path of a tree, kept as a tree of its own; nothing when nothing lies there."""
    path = "" if path == "." else path
    if path and tree.kind(path) is None:
        return ""
    kept = take_tree(workspace, tree.subtree(path).as_dict())
    return kept.digest if isinstance(kept, Snapshot) else ""


def _inputs(request: HttpRequest, workspace: Workspace, problems: list[ProblemError]) -> list[InputRow]:
    post = request.POST
    columns = [post.getlist(f"input_{name}") for name in ("key", "kind", "value", "number", "kept")]
    rows = []
    for key, kind, value, number, kept in list(zip(*columns, strict=False))[:MOST_ROWS]:
        row = InputRow(key.strip(), kind if kind in ("file", "folder") else "value", value, number=number)
        row.digest = digest_held(workspace, kept)
        if row.kind != "value":
            _take_files(request, workspace, row, problems)
        if row.name or row.value or row.digest:
            rows.append(row)
    return rows


def _take_files(request: HttpRequest, workspace: Workspace, row: InputRow, problems: list[ProblemError]) -> None:
    name = f"input_files_{row.number}"
    before = len(problems)
    sent = snapshot_sent(request, workspace, name, problems, field=f"inputs.{row.name}", unpack=row.kind == "folder")
    row.digest = sent.digest if sent else row.digest
    tree = tree_for(workspace, row.digest) if row.digest else None
    if tree is None:
        if row.name and len(problems) == before:
            problems.append(ProblemError("field-invalid", field=f"inputs.{row.name}", text="No file was chosen."))
        return
    if row.kind == "file" and len(tree.files) != 1:
        # Several files can only have been meant as a folder.
        row.kind = "folder"
    row.path = f"./{tree.files[0].path}" if row.kind == "file" else f"./{row.name}"


def _pairs(request: HttpRequest, name: str) -> list[Pair]:
    keys, values = request.POST.getlist(f"{name}_key"), request.POST.getlist(f"{name}_value")
    pairs = [Pair(key.strip(), value) for key, value in zip(keys, values, strict=False)][:MOST_ROWS]
    return [pair for pair in pairs if pair.key or pair.value]


def _paths(text: str, files: Sequence[Any]) -> list[str]:
    names = [str(file.name) for file in files]
    try:
        paths = json.loads(text)
    except ValueError:
        return names
    return [str(path) for path in paths] if isinstance(paths, list) and len(paths) == len(files) else names


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
