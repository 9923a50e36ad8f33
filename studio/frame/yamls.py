"""The YAMLs that people write in the studio: the schema of each kind, and what is wrong with a text, by line and column."""

from collections.abc import Callable
from typing import Any

from compute.selectors import computes_of
from endpoints import spec as endpoints
from endpoints.spec import DEPLOYMENT, ENDPOINT
from jobs import spec as jobs
from jobs.spec import model
from jobs.spec.kinds import Known
from studio.accounts.models import Workspace

Load = Callable[[str, Known], Any]
SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "command-job": jobs.json_schema,
    "model": lambda: jobs.json_schema("asset.model"),
    "online-endpoint": lambda: _of(ENDPOINT),
    "online-deployment": lambda: _of(DEPLOYMENT),
}
LOADERS: dict[str, Load] = {
    "command-job": lambda text, known: jobs.load(text, known=known),
    "model": lambda text, known: jobs.load_as(model.KIND, text, advice=model.ADVICE),
    "online-endpoint": lambda text, known: endpoints.load_endpoint(text),
    "online-deployment": lambda text, known: endpoints.load_deployment(text),
}
# More than any YAML that a person writes; the loader has its own bounds on what is in it.
LONGEST = 1024 * 1024


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON schema of a kind, derived from what reads it."""
    return SCHEMAS[kind]()


def check(workspace: Workspace, kind: str, text: str) -> dict[str, Any]:
    """Return whether the YAML can be read as `kind`, with every issue and warning at its line and column.

    What only submitting finds out (an image that no rule allows, files that did not come along) is not among them.
    """
    known = Known(computes=frozenset(computes_of(workspace).values_list("name", flat=True)))
    try:
        loaded = LOADERS[kind](text, known)
    except jobs.SpecError as error:
        return {"valid": False, "problems": [issue.as_dict() for issue in error.issues], "warnings": []}
    return {"valid": True, "problems": [], "warnings": [warning.as_dict() for warning in loaded.warnings]}


def _of(kind: Any) -> dict[str, Any]:
    whole = kind.model.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "title": f"Mooring {kind.title}"}
