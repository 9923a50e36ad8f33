"""The description at /swagger.json: the script's own file, one made of its samples, or a plain one."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Dict, Optional

from .results import plain

if TYPE_CHECKING:
    from .script import Script
    from .settings import Settings


def swagger_of(script: "Script", settings: "Settings") -> str:
    """Give the document as text; whatever is wrong with samples or file never keeps the server from starting."""
    own = os.path.join(script.folder, "swagger.json")
    try:
        with open(own, encoding="utf-8") as file:
            text = file.read()
        json.loads(text)
        return text
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        print(f"{own} is left out: {error}", file=sys.stderr, flush=True)
    try:
        return _document(_declared(script, "input"), _declared(script, "output"))
    except Exception as error:
        print(f"/swagger.json is the plain one: {error!r}", file=sys.stderr, flush=True)
        return plain_swagger().decode()


def plain_swagger() -> bytes:
    """Give the document of a script that says nothing about its input."""
    return _document(None, None).encode()


def _declared(script: "Script", which: str) -> Optional[Dict[str, Any]]:
    """Give the schema of input or output: from the package inference-schema, from a schema, or from a sample."""
    if script.named is not None:
        util = sys.modules.get("inference_schema.schema_util")
        found = getattr(util, f"get_{which}_schema", lambda run: None)(script.run)
        return dict(found) if found else None
    schema = getattr(script.module, f"{which}_schema", None)
    if isinstance(schema, dict):
        return schema
    missing = object()
    sample = getattr(script.module, f"{which}_sample", missing)
    return None if sample is missing else schema_of(json.loads(json.dumps(sample, default=plain)), True)


def schema_of(value: Any, outermost: bool = False) -> Dict[str, Any]:
    """Give the schema of a JSON value, with the whole value as its example."""
    schema: Dict[str, Any]
    if isinstance(value, bool):
        schema = {"type": "boolean"}
    elif isinstance(value, int):
        schema = {"type": "integer", "format": "int64"}
    elif isinstance(value, float):
        schema = {"type": "number", "format": "double"}
    elif isinstance(value, str):
        schema = {"type": "string"}
    elif isinstance(value, list):
        schema = {"type": "array", "items": schema_of(value[0]) if value else {}}
    elif isinstance(value, dict):
        schema = {"type": "object", "properties": {name: schema_of(each) for name, each in value.items()}}
    else:
        schema = {}
    if outermost:
        schema["example"] = value
    return schema


def _document(given: Optional[Dict[str, Any]], answered: Optional[Dict[str, Any]]) -> str:
    problem = {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "message", "request_id")}}
    failure = {"description": "Something went wrong.", "content": {"application/json": {"schema": problem}}}
    answers = {
        "200": {"description": "What run() gave.", "content": {"application/json": {"schema": answered or {}}}},
        "default": failure,
    }
    body = {"required": True, "content": {"application/json": {"schema": given or {}}}}
    paths = {
        "/": {"get": {"operationId": "live", "responses": {"200": {"description": "The server is up."}}}},
        "/score": {"post": {"operationId": "score", "requestBody": body, "responses": answers}},
    }
    return json.dumps({"openapi": "3.0.3", "info": {"title": "Scoring", "version": "1.0"}, "paths": paths})
