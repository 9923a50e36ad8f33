"""The catalogue of problems: every error that a person can see has an id, a title, a sentence, and what to do.

Each app keeps its own in `<app>/problems.py` and registers them here; docs/problems/<id>.md explains each at length,
and a test holds the two together. Free of Django, so that pure packages may import it.
"""

from dataclasses import dataclass, replace

# Who can do what a problem says is to be done, as pages, API, command line and documents put it.
WHO = {
    "anyone": "Whoever is told of it.",
    "contributor": "A contributor or an owner of the workspace.",
    "owner": "An owner of the workspace, or an administrator.",
    "operator": "IT operations (the role operator).",
    "administrator": "An administrator.",
}


@dataclass(frozen=True)
class Problem:
    """One thing that can go wrong; `text` and `todo` may hold {placeholders} filled in where it happens.

    `who` can do what is to be done, one of WHO; without one it is that of the registration.
    """

    id: str
    title: str
    text: str
    todo: str
    status: int = 400
    who: str = ""


CATALOGUE: dict[str, Problem] = {}


def register(*problems: Problem, who: str = "anyone") -> None:
    """Add problems to the catalogue; an id stands for one problem only. `who` can mend those that do not say it themselves."""
    for given in problems:
        problem = given if given.who else replace(given, who=who)
        if problem.who not in WHO:
            raise ValueError(f"problem {problem.id}: who is one of {', '.join(WHO)}")
        if CATALOGUE.setdefault(problem.id, problem) != problem:
            raise ValueError(f"problem {problem.id} is registered twice")


register(
    Problem("not-found", "Not found", "There is nothing at this address, or it is not yours to see.",
            "Check the address, or ask the workspace's owner for access.", 404, "owner"),
    Problem("not-allowed", "Not allowed", "Your role does not include this: it takes {needed}.",
            "Ask an owner of the workspace or an administrator.", 403, "owner"),
    Problem("sign-in-needed", "Sign in", "This needs a signed-in person or a valid API token.",
            "Sign in (`mooring login`), or send `Authorization: Bearer <token>` with a token that has not ended.", 401),
    Problem("session-over", "Your session has ended",
            "The session ended while this request was under way: you signed out elsewhere, or it was ended.",
            "Sign in again, and look whether what you sent was done before you send it once more.", 400),
    Problem("request-unreadable", "The request was not understood", "{text}",
            "Go back and try again. If it happens again, give the request id to an administrator.", 400),
    Problem("csrf-failed", "The request did not come from a page of the studio",
            "A request in a browser's name needs the token that the studio's pages carry.",
            "Reload the page and try again; a program uses an API token instead of a browser's sign-in.", 403),
    Problem("field-invalid", "A field is not right", "{text}", "Correct the field and send the form again.", 422),
    Problem("request-invalid", "The request is not right", "{text}", "Compare the request with the API reference.", 422),
    Problem("parameter-unknown", "The address asks what nobody knows", "There is no parameter `{name}` here; known: {known}.",
            "Correct its name, or leave it out. The API reference lists what each operation takes.", 422),
    Problem("text-misleading", "A sign that does not show", "{text}",
            "Type it by hand: what is copied from elsewhere may bring such signs along.", 422),
    Problem("changed-meanwhile", "Changed meanwhile", "{what} changed while you were looking at it.",
            "Reload the page and try again if it is still needed.", 409),
    Problem("name-taken", "Name taken", "There is already a {what} named {name}.", "Choose another name.", 409),
    Problem("name-invalid", "Name not usable", "{name!r} cannot be the name of a {what}: {why}.",
            "Choose one that keeps to this.", 422),
    Problem("too-large", "Too large", "{what} is larger than {limit}.", "Send less, or ask an operator to raise the limit.", 413),
    Problem("secret-unreadable", "A stored secret cannot be opened",
            "The {what} was encrypted with a key that this studio does not have.",
            "Put the key back into `MOORING_ENCRYPTION_KEYS` or `keys/encryption_keys` and start again. A lost key: replace the secret.",
            503, "operator"),
    Problem("internal", "Something broke on our side", "The studio could not answer. Nothing you sent was half done.",
            "Try again; if it happens again, give the request id {request_id} to an administrator.", 500, "administrator"),
    Problem("precondition-failed", "It is no longer what you saw", "The request was for a version that is no longer the present one.",
            "Read it again, look whether your change is still wanted, and send it with the new ETag.", 412),
    Problem("idempotency-key-reused", "The key belongs to another request",
            "The Idempotency-Key {key} came with another address or body before.",
            "Make a new key for each thing to be made, and use it again only for the very same request.", 422),
    Problem("idempotency-key-at-work", "The first request is still at work",
            "A request with this Idempotency-Key has not been answered yet.", "Ask again in a moment, with the same key.", 409),
    Problem("idempotency-key-invalid", "The key cannot be used", "An Idempotency-Key has at most {limit} printable characters.",
            "Use a random one, such as a UUID.", 422),
    Problem("method-not-allowed", "The address does not take that", "{method} is not among what this address takes: {allowed}.",
            "Compare the request with the API reference.", 405),
    Problem("documentation-not-built", "The documentation is not there", "Its pages were not built on the machine that runs this studio.",
            "Run `make docs` in the studio's folder; the same texts are there under `docs/`.", 503, "administrator"),
)  # fmt: skip
