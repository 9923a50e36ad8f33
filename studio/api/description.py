"""The API described: OpenAPI 3.1 with an example for each operation, and the rows of the reference page made from it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
_MEANS = {"200": "Done.", "201": "Made.", "202": "Begun.", "204": "Done; there is nothing to say."}
METHODS = ("get", "head", "post", "put", "patch", "delete")
Json = dict[str, Any]
_PROBLEM = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457), what to do about it, and who can do it.",
    "type": "object",
    "required": ["type", "id", "title", "status", "detail", "todo", "who"],
    "properties": {
        "type": {"type": "string"},
        "id": {"type": "string", "description": "Stands for this problem for ever; its page is docs/problems/<id>.md."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "todo": {"type": "string"},
        "who": {"type": "string", "enum": ["anyone", "contributor", "owner", "operator", "administrator"]},
        "field": {"type": "string"},
        "line": {"type": "integer"},
        "column": {"type": "integer"},
        "request_id": {"type": "string", "description": "By which an administrator finds the request in the log; also in X-Request-Id."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 100, "pattern": "^[!-~]+$"},
    "description": "Whatever is sent again with the same key within a day is done once and answered as the first time.",
}
_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": '^"[!#-~]+"$'},
    "description": "The ETag of an earlier answer: 304 when it still holds.",
}
_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": '^"[!#-~]+"$'},
    "description": "The ETag of what was seen at this address: 412, and nothing is changed, when that is not the present one.",
}


@dataclass(frozen=True)
class Operation:
    """One operation as the reference shows it."""

    id: str
    method: str
    path: str
    tag: str
    words: str
    parameters: list[Json] = field(default_factory=list)
    request: str = ""
    answer: str = ""
    curl: str = ""
    mooring: str = ""
    python: str = ""

    def has(self, text: str) -> bool:
        """Tell whether every word of a search is in what is shown."""
        whole = f"{self.id} {self.method} {self.path} {self.words} {self.mooring} {self.python}".lower()
        return all(word in whole for word in text.lower().split())


@lru_cache(maxsize=1)
def ways() -> Mapping[str, Json]:
    """Return what is written by hand of each operation: verb, call, body."""
    return dict(yaml.safe_load((HERE / "ways.yaml").read_text(encoding="utf-8")))


def answer_of(id: str) -> Json | None:
    """Return an answer of an operation: recorded, that of one which answers alike, or written by hand."""
    told, recorded = ways().get(id, {}), answers().get(id)
    if "like" in told:
        recorded = answers()[told["like"]]
        return {"kind": recorded["kind"], "body": recorded["body"]}
    if "answer" in told:
        kind = (recorded or {}).get("kind") or "application/json"
        return {**(recorded or {}), "kind": kind, "body": told["answer"]}
    if "kind" in told:
        return {"kind": told["kind"], "body": None}
    return recorded


@lru_cache(maxsize=1)
def answers() -> Mapping[str, Json]:
    """Return an answer of each operation, as it was recorded."""
    return dict(json.loads((HERE / "answers.json").read_text(encoding="utf-8")))


def described(schema: Json) -> Json:
    """Add to the schema what holds for every operation: examples, problems, keys and ETags."""
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components["Problem"] = _PROBLEM
    for path, method, operation in operations(schema):
        words = str(operation.get("description", "")).strip()
        operation["summary"] = words.split("\n")[0].split(";")[0].split(": ")[0].rstrip(".") or operation.get("summary", "")
        told = ways().get(operation["operationId"], {})
        _requested(operation, told)
        _answered(operation, answer_of(operation["operationId"]))
        parameters = operation.setdefault("parameters", [])
        named = {one["name"].lower() for one in parameters}
        if method == "post" and "idempotency-key" not in named:
            parameters.append(_KEY)
        if method == "get" and _says_json(operation):
            parameters.append(_NONE_MATCH)
            operation["responses"]["304"] = {"description": "Nothing has changed."}
        if method in ("put", "patch", "delete") and "get" in schema["paths"][path]:
            parameters.append(_MATCH)
        for parameter in parameters:
            if parameter["in"] == "path":
                # A name never holds a slash; of a path the rest of the address is the value.
                parameter["schema"].setdefault("minLength", 1) if parameter["schema"].get("type") == "string" else None
    schema["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    return schema


def operations(schema: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield path, method and description of each operation."""
    for path, of_path in schema["paths"].items():
        for method, operation in of_path.items():
            if method in METHODS:
                yield path, method, operation


def rows(schema: Json, *, address: str) -> list[Operation]:
    """Return the operations for the reference page; `address` stands in the lines to copy."""
    found = []
    for path, method, operation in operations(schema):
        told = ways().get(operation["operationId"], {})
        request = told.get("request")
        answer = answer_of(operation["operationId"])
        found.append(
            Operation(
                id=operation["operationId"],
                method=method.upper(),
                path=path,
                tag=(operation.get("tags") or ["other"])[0],
                words=" ".join(str(operation.get("description", "")).split()),
                parameters=[_parameter(one) for one in operation.get("parameters", [])],
                request=_pretty(request) if request is not None else "",
                answer=_answer_text(operation, answer),
                curl=_curl(method, address + path, request),
                mooring=f"mooring {told['mooring']}" if told.get("mooring") else "",
                python=f"studio.{told['python']}" if told.get("python") else "",
            )
        )
    return found


def _requested(operation: Json, told: Json) -> None:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and "request" in told:
        body["example"] = told["request"]


def _answer_text(operation: Json, answer: Json | None) -> str:
    """Return an answer as the reference page shows it; of bytes, and of nothing, what it is."""
    if answer is None or answer.get("body") is None:
        if "204" in operation["responses"]:
            return "204: done; there is nothing to say."
        kind = (answer or {}).get("kind", "").partition(";")[0]
        return f"{kind}: the bytes as they are." if kind else ""
    return str(answer["body"]) if isinstance(answer["body"], str) else _pretty(answer["body"])


def _answered(operation: Json, recorded: Json | None) -> None:
    responses = operation["responses"]
    known = recorded or {}
    is_json = known.get("body") is not None and str(known.get("kind")).startswith("application/json")
    for status, response in list(responses.items()):
        del responses[status]
        responses[str(status)] = response
        response["description"] = _MEANS.get(str(status), "")
        if is_json and "content" not in response and str(status).startswith("2"):
            # Nothing is promised here beyond the example.
            response["content"] = {"application/json": {"example": known["body"]}}
            continue
        content = response.get("content", {}).get("application/json")
        if content is None:
            continue
        if recorded is None or recorded.get("body") is None:
            continue
        if recorded.get("status") in (int(status), None) or len(responses) == 1:
            content["example"] = recorded["body"]
        content["schema"] = _shape(recorded["body"])
    if recorded and "status" not in recorded and recorded["body"] is None:
        # Bytes as they were brought: their type is theirs.
        responses["200"]["description"] = f"{recorded['kind']}: the bytes as they are."
    elif recorded and recorded.get("kind", "").partition(";")[0] not in ("", "application/json"):
        kind = recorded["kind"].partition(";")[0]
        example = {"example": recorded["body"]} if isinstance(recorded.get("body"), str) else {}
        responses["200"] = {"description": "Done.", "content": {kind: example}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses["default"] = {"description": "A problem.", "content": problem}


def _says_json(operation: Json) -> bool:
    return any("application/json" in one.get("content", {}) for one in operation["responses"].values())


def _shape(example: Any) -> Json:
    """Return what an example says about every answer like it: the fields of an object, and that lists are pages."""
    if isinstance(example, dict):
        if {"items", "next"} <= example.keys():
            item = _shape(example["items"][0]) if example["items"] else {}
            beside = {name: _field(value) for name, value in example.items()}
            keys = {name: {"type": ["string", "null"]} for name in ("next", "previous") if name in example}
            shape = beside | keys | {"items": {"type": "array", "items": item}}
            return {"type": "object", "required": ["items", "next"], "properties": shape}
        return {"type": "object", "properties": {name: _field(value) for name, value in example.items()}}
    return _field(example)


def _field(value: Any) -> Json:
    kinds: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    kind = kinds.get(type(value))
    # What is empty in the example may be anything.
    return {"type": [kind, "null"]} if kind and value not in ("", [], {}) else {}


def _parameter(one: Json) -> Json:
    schema = one.get("schema", {})
    kind = schema.get("type") or next((each["type"] for each in schema.get("anyOf", []) if each.get("type") != "null"), "")
    words = one.get("description") or schema.get("description", "")
    return {"name": one["name"], "in": one["in"], "needed": one.get("required", False), "kind": kind, "words": words}


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _curl(method: str, address: str, request: Any) -> str:
    place = re.sub(r"\{(\w+)\}", lambda name: name[1].upper(), address)
    parts = ["curl -sS", "-H 'Authorization: Bearer '\"$MOORING_TOKEN\""]
    if method != "get":
        parts.append("--head" if method == "head" else f"-X {method.upper()}")
    if request is not None:
        parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(request, ensure_ascii=False))}"]
    return " ".join([*parts, shlex.quote(place)])
