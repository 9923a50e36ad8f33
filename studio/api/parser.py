"""How the API reads a body."""

import json
from typing import Any, cast

from django.http import HttpRequest
from ninja.parser import Parser
from ninja.types import DictStrAny

from studio.core.errors import ProblemError
from studio.core.texts import SAID, keepable


class BodyParser(Parser):
    """JSON whose texts every database keeps; what is none is told with its place."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """Return the body's value; raises `request-invalid` for what is no JSON."""
        try:
            value: Any = json.loads(request.body)
        except json.JSONDecodeError as error:
            text = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            raise ProblemError("request-invalid", text=text) from error
        except ValueError as error:
            raise ProblemError("request-invalid", text="The body is not JSON in UTF-8.") from error
        if value != keepable(value):
            raise ProblemError("request-invalid", text=SAID)
        return cast(DictStrAny, value)
