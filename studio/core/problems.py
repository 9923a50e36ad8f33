"""The catalogue of problems: every error that a person can see has an id, a title, a sentence, and what to do.

Each app keeps its own in `<app>/problems.py` and registers them here; docs/problems/<id>.md explains each at length,
and a test holds the two together. Free of Django, so that pure packages may import it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that can go wrong; `text` and `todo` may hold {placeholders} filled in where it happens."""

    id: str
    title: str
    text: str
    todo: str
    status: int = 400


CATALOGUE: dict[str, Problem] = {}


def register(*problems: Problem) -> None:
    """Add problems to the catalogue; an id stands for one problem only."""
    for problem in problems:
        if CATALOGUE.setdefault(problem.id, problem) != problem:
            raise ValueError(f"problem {problem.id} is registered twice")


register(
    Problem("not-found", "Not found", "There is nothing at this address, or it is not yours to see.",
            "Check the address, or ask the workspace's owner for access.", 404),
    Problem("not-allowed", "Not allowed", "Your role does not include this: it takes {needed}.",
            "Ask an owner of the workspace or an administrator.", 403),
    Problem("sign-in-needed", "Sign in", "This needs a signed-in person or a valid API token.",
            "Sign in, or send `Authorization: Bearer <token>` with a token that has not ended.", 401),
    Problem("csrf-failed", "The request did not come from a page of the studio",
            "A request in a browser's name needs the token that the studio's pages carry.",
            "Reload the page and try again; a program uses an API token instead of a browser's sign-in.", 403),
    Problem("field-invalid", "A field is not right", "{text}", "Correct the field and send the form again.", 422),
    Problem("request-invalid", "The request is not right", "{text}", "Compare the request with the API reference.", 422),
    Problem("changed-meanwhile", "Changed meanwhile", "{what} changed while you were looking at it.",
            "Reload the page and try again if it is still needed.", 409),
    Problem("name-taken", "Name taken", "There is already a {what} named {name}.", "Choose another name.", 409),
    Problem("name-invalid", "Name not usable", "{name!r} cannot be the name of a {what}: {why}.",
            "Use letters, digits, dashes and underscores.", 422),
    Problem("too-large", "Too large", "{what} is larger than {limit}.", "Send less, or ask an operator to raise the limit.", 413),
    Problem("redis-lost", "Live updates are not available", "The studio cannot reach its Redis.",
            "Pages still work when reloaded. An administrator looks at the log of the process `redis`.", 503),
    Problem("internal", "Something broke on our side", "The studio could not answer. Nothing you sent was half done.",
            "Try again; if it happens again, give the request id {request_id} to an administrator.", 500),
)  # fmt: skip
