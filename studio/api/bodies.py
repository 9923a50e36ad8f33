"""What the API takes as a body: the fields that it knows and no others, so that a mistyped one is told and not passed over."""

from ninja import Schema
from pydantic import ConfigDict


class RequestBody(Schema):
    """The body of a request, or a part of one."""

    model_config = ConfigDict(extra="forbid")
