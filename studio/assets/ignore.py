"""Which files of a folder are left out: `.git` always, and what its ignore files say.

A folder's `.amlignore` is read instead of its `.gitignore`, and where a folder has one the `.gitignore` files below it
are not read either. Patterns mean what they mean to git (https://git-scm.com/docs/gitignore): the last match wins,
deeper files win over those above, and nothing below an ignored folder comes back. Free of Django.
"""

import re
import time
from collections.abc import Callable

from pathspec import GitIgnoreSpec

AML = ".amlignore"
GIT = ".gitignore"
NAMES = (AML, GIT)
ALWAYS = frozenset({".git"})
FILE_BYTES = 256 * 1024
PATTERNS = 2_000
# Patterns become regular expressions, which take time to the power of their stars on a path made for it.
STARS = 4
SECONDS = 20.0

ReadFile = Callable[[str], bytes | None]


class IgnoreRefused(ValueError):
    """An ignore file that is too long or too costly to apply."""

    problem_id = "ignore-file-not-usable"

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path
        self.text = text


class Ignore:
    """The rules of one folder tree; `read` returns the content of a file by its path, or None when there is none."""

    def __init__(self, read: ReadFile) -> None:
        self._read = read
        self._specs: dict[str, GitIgnoreSpec | None] = {}
        self._aml: dict[str, bool] = {}
        self._folders: dict[str, bool] = {"": False}
        self._until = time.monotonic() + SECONDS

    def file(self, path: str) -> bool:
        """Tell whether a file is left out, itself or with a folder above it."""
        return self._decide(path, is_folder=False)

    def folder(self, path: str) -> bool:
        """Tell whether a folder is left out with all below it."""
        if path not in self._folders:
            self._folders[path] = self._decide(path, is_folder=True)
        return self._folders[path]

    def _decide(self, path: str, *, is_folder: bool) -> bool:
        above, _, name = path.rpartition("/")
        if name in ALWAYS or self.folder(above):
            return True
        base = above
        while True:
            if (spec := self._spec(base)) is not None:
                relative = path.removeprefix(f"{base}/") if base else path
                verdict = self._verdict(spec, f"{relative}/" if is_folder else relative)
                if verdict is not None:
                    return verdict
            if not base:
                return False
            base = base.rpartition("/")[0]

    def _verdict(self, spec: GitIgnoreSpec, relative: str) -> bool | None:
        """Return what the last pattern that matches the path itself says, keeping the time between patterns.

        The expressions match what lies below a folder as well; here every folder on the way has been judged before.
        """
        for pattern in reversed(list(spec.patterns)):
            found = pattern.match_file(relative) if pattern.include is not None else None
            if found is not None and _is_whole(found.match, relative):
                return pattern.include
            if time.monotonic() > self._until:
                raise IgnoreRefused(relative, f"The ignore patterns take longer than {SECONDS:.0f} seconds to apply.")
        return None

    def _spec(self, base: str) -> GitIgnoreSpec | None:
        if base not in self._specs:
            prefix = f"{base}/" if base else ""
            above = base.rpartition("/")[0]
            under_aml = bool(base) and self._has_aml(above)
            content = self._read(prefix + AML)
            self._aml[base] = under_aml or content is not None
            name = AML
            if content is None and not under_aml:
                content, name = self._read(prefix + GIT), GIT
            self._specs[base] = None if content is None else parse(content, prefix + name)
        return self._specs[base]

    def _has_aml(self, base: str) -> bool:
        self._spec(base)
        return self._aml[base]


def _is_whole(found: re.Match[str], path: str) -> bool:
    """Tell whether a pattern matched the path itself, not a folder above it (pathspec calls its slash `ps_d`)."""
    if "ps_d" in found.re.groupindex:
        anywhere = not found.re.pattern.startswith("^")  # `*/`: whatever is a folder
        return path.endswith("/") if anywhere else found.end() == len(path)
    # `a/**` is what lies below `a`, without `a` itself; `**` alone is everything.
    return not (found.re.pattern.endswith("/") and found.end() == len(path))


def parse(content: bytes, path: str) -> GitIgnoreSpec:
    """Compile an ignore file; lines that git itself would skip are skipped, costly ones raise `IgnoreRefused`."""
    if len(content) > FILE_BYTES:
        raise IgnoreRefused(path, f"{path} is larger than {FILE_BYTES // 1024} KiB.")
    lines = []
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if len(re.findall(r"\*+", re.sub(r"(^|/)\*\*(?=/|$)", "", line))) > STARS or line.count("**") > STARS:
            raise IgnoreRefused(path, f"{path}, line {number}: more than {STARS} stars in one pattern.")
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        lines.append(line)
    if len(lines) > PATTERNS:
        raise IgnoreRefused(path, f"{path} has more than {PATTERNS} patterns.")
    return GitIgnoreSpec.from_lines(lines)
