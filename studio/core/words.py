"""What people call and describe things with: display names, descriptions, tags."""

from collections.abc import Mapping

from studio.core.errors import ProblemError, ProblemList
from studio.core.texts import misleading


def word_problems(field: str, given: str | Mapping[str, str | None] | None) -> list[ProblemError]:
    """Return what is wrong with a text, or with the keys and values of tags, at their field."""
    if given is None:
        return []
    texts = [given] if isinstance(given, str) else [part or "" for pair in given.items() for part in pair]
    return [ProblemError("text-misleading", field=field, text=found) for found in filter(None, map(misleading, texts))][:1]


def check_words(**given: str | Mapping[str, str | None] | None) -> None:
    """Refuse texts and tags that hold a sign which has them read as something else, each at the field of its name."""
    problems = [problem for field, text in given.items() for problem in word_problems(field, text)]
    if problems:
        raise problems[0] if len(problems) == 1 else ProblemList(problems)
