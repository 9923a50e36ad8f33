"""Which paths may be in a tree: relative, below its root, printable, and the same file on every file system."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

NAME_BYTES = 255  # NAME_MAX of the usual Linux file systems
PATH_BYTES = 1024
DEPTH = 64
_DRIVE = re.compile(r"[A-Za-z]:")
# Signs that turn the direction of writing make a name read as another one.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class PathRefused(ValueError):
    """A path that cannot be in a tree; `problem_id` and the sentence say why."""

    def __init__(self, problem_id: str, path: str, text: str) -> None:
        super().__init__(text)
        self.problem_id = problem_id
        self.path = shown(path)
        self.text = text


def shown(path: str) -> str:
    """Return a path fit for a sentence: what cannot be printed escaped, long ones shortened."""
    printable = "".join(
        sign if sign.isprintable() and sign not in _TURNING else sign.encode("unicode_escape").decode() for sign in path
    )
    return printable if len(printable) <= 200 else f"{printable[:120]}…{printable[-60:]}"


def clean_path(path: str, *, backslashes: bool = False) -> str:
    """Return the path in its one spelling (`a/b/c`), or raise `PathRefused`.

    With `backslashes` they separate folders, as archives made on Windows write them; else they are refused.
    """
    if backslashes:
        path = path.replace("\\", "/")
    if path.startswith("/"):
        raise PathRefused("archive-path-outside", path, f"{shown(path)} is an absolute path.")
    if _DRIVE.match(path):
        raise PathRefused("archive-path-outside", path, f"{shown(path)} names a drive.")
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names:
        raise PathRefused("archive-path-outside", path, f"{shown(path)} leads out of its folder with `..`.")
    if not names:
        raise PathRefused("archive-name-not-usable", path, "A file has no name.")
    for name in names:
        _check_name(path, name)
    spelled = "/".join(names)
    if len(spelled.encode()) > PATH_BYTES:
        raise PathRefused("archive-name-not-usable", path, f"{shown(path)} is longer than {PATH_BYTES} bytes.")
    if len(names) > DEPTH:
        raise PathRefused("archive-name-not-usable", path, f"{shown(path)} is more than {DEPTH} folders deep.")
    return spelled


@dataclass(slots=True)
class _Place:
    """A name as it was first written, whether a file has it, and what lies below it by folded names."""

    written: str = ""
    is_file: bool = False
    below: dict[str, "_Place"] = field(default_factory=dict)


def check_clashes(paths: Iterable[str]) -> None:
    """Raise `PathRefused` when two paths would be one on a file system that folds case or normalises Unicode, or look alike."""
    # Names are folded one by one, each once: ten thousand long paths of accents would take ten seconds.
    top, folded = _Place(), dict[str, str]()
    for path in paths:
        at, names = top, path.split("/")
        for depth, name in enumerate(names, start=1):
            if at.is_file:
                raise PathRefused("archive-name-clash", path, f"{shown('/'.join(names[: depth - 1]))} is both a file and a folder.")
            if name not in folded:
                folded[name] = _folded(name)
            at = at.below.setdefault(folded[name], _Place(name))
            if at.written != name:
                part, first = "/".join(names[:depth]), "/".join([*names[: depth - 1], at.written])
                text = f"{shown(first)} and {shown(part)} differ only in case, in how accents are encoded, or in signs that do not show."
                raise PathRefused("archive-name-clash", path, text)
        if at.is_file:
            raise PathRefused("archive-name-clash", path, f"{shown(path)} is there twice.")
        if at.below:
            raise PathRefused("archive-name-clash", path, f"{shown(path)} is both a file and a folder.")
        at.is_file = True


def _folded(name: str) -> str:
    if not name.isascii():
        name = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")  # signs without a look of their own
    # Folding may undo a normalisation and the other way round, hence twice (Unicode, section 3.13, D145).
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).casefold()


def _check_name(path: str, name: str) -> None:
    for sign in name:
        if sign == "\\":
            raise PathRefused("archive-name-not-usable", path, f"{shown(path)} holds a backslash.")
        category = unicodedata.category(sign)
        if category == "Cs":
            raise PathRefused("archive-name-not-usable", path, f"{shown(path)} is not valid UTF-8.")
        if category in ("Cc", "Zl", "Zp") or sign in _TURNING:
            raise PathRefused("archive-name-not-usable", path, f"{shown(path)} holds a control character.")
    if len(name.encode()) > NAME_BYTES:
        raise PathRefused(
            "archive-name-not-usable", path, f"A name in {shown(path)} is longer than {NAME_BYTES} bytes."
        )
