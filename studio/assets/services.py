"""Bring content into a workspace, and find it again; decide which image stands in for a name."""

import fnmatch
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction

from studio.accounts.models import Workspace
from studio.assets import problems  # noqa: F401 - its problems are raised from here
from studio.assets.archives import ArchiveRefused, tree_from_archive, tree_from_uploads
from studio.assets.models import Blob, ImageRule, Snapshot
from studio.assets.store import BlobStore, StoreError
from studio.assets.trees import Tree, load_tree, save_tree, tree_from_dict
from studio.audit.services import record
from studio.core.errors import ProblemError

# One file of code or input; larger ones come through datastores.
LARGEST_BLOB = 8 * 1024**3


@lru_cache(maxsize=2)
def _store_at(root: str) -> BlobStore:
    return BlobStore(settings.BLOBS.__class__(root))


def store() -> BlobStore:
    """Return the studio's store of content."""
    return _store_at(str(settings.BLOBS))


def take_blob(workspace: Workspace, digest: str, source: BinaryIO) -> Blob:
    """Keep one file's content for the workspace; raises when the bytes are not those of `digest`."""
    try:
        kept = store().put(source, expect=digest, limit=LARGEST_BLOB)
    except StoreError as error:
        raise ProblemError(error.problem_id, text=str(error)) from error
    return Blob.objects.get_or_create(workspace=workspace, digest=kept.digest, defaults={"size": kept.size})[0]


def missing_blobs(workspace: Workspace, digests: Iterable[str]) -> list[str]:
    """Return those of the digests that the workspace has not brought in yet."""
    wanted = list(dict.fromkeys(digests))
    held: set[str] = set()
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        held.update(Blob.objects.filter(workspace=workspace, digest__in=part).values_list("digest", flat=True))
    # Touched: what is said to be here stays long enough to be referred to.
    return [digest for digest in wanted if digest not in held or not store().touch(digest)]


def take_tree(workspace: Workspace, value: Any) -> Snapshot | list[str]:
    """Keep a tree given as JSON values; returns the digests of content still missing when there are any."""
    try:
        tree = tree_from_dict(value)
    except ValueError as error:
        raise ProblemError("request-invalid", text=f"Not a tree of files: {error}.") from error
    missing = missing_blobs(workspace, (file.digest for file in tree.files))
    if missing:
        return missing
    sizes = {digest: store().size(digest) for digest in {file.digest for file in tree.files}}
    for file in tree.files:
        if sizes[file.digest] != file.size:
            raise ProblemError("request-invalid", text=f"{file.path} has {sizes[file.digest]} bytes, not {file.size}.")
    return keep_tree(workspace, tree)


def tree_of_uploads(workspace: Workspace, files: Iterable[tuple[str, BinaryIO]]) -> Snapshot:
    """Keep files that came with a form, each with its path below the folder."""
    return _checked(workspace, lambda: tree_from_uploads(files, store()))


def tree_of_archive(workspace: Workspace, source: BinaryIO) -> Snapshot:
    """Keep the content of a zip or tar that came with a form; one folder around everything is taken off."""
    return _checked(workspace, lambda: tree_from_archive(source, store(), strip_top=True))


def tree_for(workspace: Workspace, digest: str) -> Tree | None:
    """Return a tree that the workspace holds, or None."""
    # Touched before it is looked for: from here on it is young, and not collected before something refers to it.
    if not store().touch(digest) or not Snapshot.objects.filter(workspace=workspace, digest=digest).exists():
        return None
    tree = load_tree(digest, store())
    for file in tree.files:
        store().touch(file.digest)
    return tree


def image_for(asked: str) -> str | None:
    """Return the image that stands in for `asked` by the first rule that matches, or None."""
    for rule in ImageRule.objects.all():
        if fnmatch.fnmatchcase(asked, rule.pattern):
            return rule.image
    return None


def set_image_rule(actor: Any, *, pattern: str, image: str, note: str = "", position: int = 100) -> ImageRule:
    """Make or change the rule for `pattern`."""
    if not pattern.strip() or len(pattern) > 300:
        raise ProblemError("field-invalid", field="pattern", text="A pattern has 1 to 300 characters.")
    if not image.strip() or len(image) > 500 or any(c.isspace() for c in image.strip()):
        raise ProblemError("field-invalid", field="image", text="An image is one word such as registry/name:tag.")
    values = {"image": image.strip(), "note": note[:200], "position": max(0, min(position, 100_000))}
    with transaction.atomic():
        rule, made = ImageRule.objects.update_or_create(pattern=pattern.strip(), defaults=values)
        record(actor, "created" if made else "changed", rule, diff={"image": [None, rule.image]})
    return rule


def delete_image_rule(actor: Any, rule: ImageRule) -> None:
    """Remove a rule."""
    with transaction.atomic():
        record(actor, "deleted", rule, diff={"image": [rule.image, None]})
        rule.delete()


def _checked(workspace: Workspace, make: Any) -> Snapshot:
    try:
        tree = make()
    except ArchiveRefused as error:
        raise ProblemError(error.problem_id, field="code", text=error.text) from error
    return keep_tree(workspace, tree)


def keep_tree(workspace: Workspace, tree: Tree) -> Snapshot:
    """Keep a tree whose content is in the store, and give the workspace the right to all of it.

    Callers make sure that the content is the workspace's: it sent it, or one of its jobs left it.
    """
    save_tree(tree, store())
    gone = sum(not store().touch(file.digest) for file in tree.files)
    if gone:
        raise ProblemError("tree-incomplete", count=gone)
    with transaction.atomic():
        claims = {file.digest: Blob(workspace=workspace, digest=file.digest, size=file.size) for file in tree.files}
        Blob.objects.bulk_create(claims.values(), ignore_conflicts=True, batch_size=200)
        facts = {"count": len(tree.files), "size": tree.size}
        return Snapshot.objects.get_or_create(workspace=workspace, digest=tree.digest, defaults=facts)[0]
