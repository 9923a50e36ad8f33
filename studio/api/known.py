"""What an address asks that the operation does not know is refused: a filter that is mistyped must not give all there is."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest

from studio.api.roles import ask_for_role
from studio.core.errors import ProblemError, ProblemList

LONGEST_SHOWN = 60


def only_known(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Run an operation only when it knows every query parameter that came."""
    known = known_to(operation)

    @wraps(operation)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        unknown = [name for name in request.GET if name not in known]
        if unknown:
            # A stranger learns nothing from an address that is not right.
            ask_for_role(request)
            problems = [_unknown(name, known) for name in unknown]
            raise ProblemList(problems) if len(problems) > 1 else problems[0]
        return operation(request, *args, **kwargs)

    return guarded


def known_to(operation: Any) -> tuple[str, ...]:
    """Return the names of the query parameters that an operation takes, in the order of its description."""
    models = operation._ninja_operation.models
    return tuple(name for model in models if model.__ninja_param_source__ == "query" for name in model.__ninja_flatten_map__)


def _unknown(name: str, known: tuple[str, ...]) -> ProblemError:
    shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…"
    return ProblemError("parameter-unknown", field=shown, name=shown, known=", ".join(f"`{one}`" for one in known) or "none")
