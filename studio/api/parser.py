"""How the API reads a body."""

import json
from typing import Any, cast

from django.http import HttpRequest
from ninja.parser import Parser
from ninja.types import DictStrAny

from studio.core.errors import ProblemError
from studio.core.texts import SAID, keepable


class BodyParser(Parser):
    """JSON whose texts every database keeps."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """Return the body's value; raise `ValueError` for what is no JSON."""
        value: Any = json.loads(request.body)
        if value != keepable(value):
            raise ProblemError("request-invalid", text=SAID)
        return cast(DictStrAny, value)
