"""Make an answer of what run() gave, without importing any library that its type comes from."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, List, Tuple

from .answers import JSON

BYTES = b"content-type: application/octet-stream\r\n"
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile("[\t -~\x80-\xff]*")
# The connection is the server's: what the script says about it is left out.
OURS = frozenset(
    (
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
        "x-ms-client-request-id",
    )
)


class NotUsable(Exception):
    """A result of which no answer can be made."""


def convert(result: Any) -> Tuple[int, bytes, bytes]:
    """Give status, header lines and body; raise NotUsable."""
    kind = type(result)
    if kind is str or kind is dict or kind is list:
        return 200, JSON, _json(result)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return 200, BYTES, bytes(result)
    if hasattr(result, "status_code") and hasattr(result, "headers"):
        return _response(result)
    return 200, JSON, _json(result)


def plain(value: Any) -> Any:
    """Give something that JSON has for a value that it has not."""
    for name in ("tolist", "to_dict", "isoformat"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            # A table has rows; a dictionary of columns is what nobody sends in.
            return method("records") if name == "to_dict" and hasattr(value, "columns") else method()
    if isinstance(value, (set, frozenset)):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"a value of the type {type(value).__name__} cannot be written as JSON")


_encode = json.JSONEncoder(default=plain).encode


def _json(value: Any) -> bytes:
    try:
        return _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotUsable(f"What run() gave cannot be sent: {error}.") from None
    except Exception as error:
        raise NotUsable(f"What run() gave cannot be sent: {error!r}.") from None


def _response(result: Any) -> Tuple[int, bytes, bytes]:
    """Make an answer of an object that describes one, whatever framework it is from."""
    try:
        status = int(result.status_code)
        lines = _lines(result.headers)
        body = _body(result)
    except NotUsable:
        raise
    except Exception as error:
        raise NotUsable(f"The response that run() gave cannot be sent: {error!r}.") from None
    if not 200 <= status <= 599:
        raise NotUsable(f"The response that run() gave has the status {status}.")
    return status, lines, body


def _body(result: Any) -> bytes:
    content: Any = None
    for name in ("get_data", "body", "response", "content"):
        if hasattr(result, name):
            content = getattr(result, name)
            content = content() if name == "get_data" else content
            break
    if content is None:
        return b""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    return _json(content)


def _lines(headers: Any) -> bytes:
    pairs = headers.items() if hasattr(headers, "items") else headers or ()
    lines: List[str] = []
    for name, value in pairs:
        name, value = str(name), str(value).strip(" \t")
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise NotUsable(f"The response that run() gave has the header {name!r}, which cannot be sent.")
        if name.lower() not in OURS:
            lines.append(f"{name.lower()}: {value}\r\n")
    return "".join(lines).encode("latin-1")
