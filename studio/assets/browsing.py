"""Paths become a tree of folders for the pages that browse files."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.utils.http import urlencode

# Folders beyond so many entries start closed: the page stays short.
OPEN_UP_TO = 40
# Folders deeper than this are drawn as one: what a job leaves may be any number of folders deep.
DEEPEST = 24


@dataclass(frozen=True)
class Leaf:
    """A file: its name, size in bytes, the address that shows it, and whether it is shown now."""

    name: str
    size: int
    url: str
    active: bool
    icon: str


@dataclass
class Branch:
    """A folder: its name, the folders and files in it, and what lies below it in all."""

    name: str
    folders: dict[str, "Branch"] = field(default_factory=dict)
    files: list[Leaf] = field(default_factory=list)
    count: int = 0
    size: int = 0
    open: bool = False

    @property
    def branches(self) -> list["Branch"]:
        return [self.folders[name] for name in sorted(self.folders)]


def nested(files: Iterable[tuple[str, int]], page: str, at: str = "", *, within: str = "") -> Branch:
    """Return the files (path and size) as nested folders; those on the way to `at` are open.

    A file is shown at the address `page` with its path as `?file=`, after `within/` where that is given.
    """
    root = Branch("")
    listed = list(files)
    before = f"{within}/" if within else ""
    for path, size in listed:
        *folders, name = path.split("/")
        if len(folders) > DEEPEST:
            folders = [*folders[:DEEPEST], "/".join(folders[DEEPEST:])]
        branch = root
        branch.count, branch.size = branch.count + 1, branch.size + size
        for folder in folders:
            branch = branch.folders.setdefault(folder, Branch(folder))
            branch.count, branch.size = branch.count + 1, branch.size + size
            branch.open = branch.open or len(listed) <= OPEN_UP_TO or path == at
        url = f"{page}?{urlencode({'file': before + path})}"
        branch.files.append(Leaf(name, size, url, path == at, icon_of(name)))
    return root


ICONS = {
    "png": "photo", "jpg": "photo", "jpeg": "photo", "gif": "photo", "webp": "photo", "svg": "photo",
    "csv": "file-type-csv", "tsv": "file-type-csv", "py": "file-code", "sh": "file-code", "ipynb": "file-code",
    "yml": "file-code", "yaml": "file-code", "json": "file-code", "toml": "file-code", "md": "file-text", "txt": "file-text",
    "log": "file-text", "zip": "file-zip", "gz": "file-zip", "tar": "file-zip",
}  # fmt: skip


def icon_of(name: str) -> str:
    """Return the icon of a file by its name's ending."""
    return ICONS.get(name.rpartition(".")[2].lower(), "file")
