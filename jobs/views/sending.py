"""What came with a job's form: files become trees of the workspace, so that a form that comes back still has them."""

from typing import Any

from django.http import HttpRequest

from jobs.forms import Draft, InputRow, Pair
from studio.accounts.models import Workspace
from studio.assets.models import Snapshot
from studio.assets.sent import digest_held, snapshot_sent
from studio.assets.services import take_tree, tree_for
from studio.assets.trees import Tree
from studio.core.errors import ProblemError
from studio.core.texts import read_json

FIELDS = (
    "command", "image", "compute", "instance_type", "count", "display_name", "experiment", "description", "time_limit", "retries",
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


def kept_digests(workspace: Workspace, text: str) -> dict[str, str]:
    """Return the digests of inputs that a page carried along, as far as the workspace holds them."""
    found = {name: digest_held(workspace, str(digest)) for name, digest in list(_mapping(text).items())[:MOST_ROWS]}
    return {name: digest for name, digest in found.items() if digest}


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


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
