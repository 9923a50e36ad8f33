"""The request itself for scripts that want it, under the import names that such scripts have.

`from azureml.contrib.services.aml_request import AMLRequest, rawhttp` and the like give what is here, also when the image has
the original's packages: theirs describe the request of another server.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import sys
import urllib.parse
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

MARK = "__mooring_raw__"
PLACES = ("azureml.contrib.services", "azureml_inference_server_http.api")


class Headers:
    """Header fields by name in any case."""

    def __init__(self, fields: Any = None) -> None:
        pairs = fields.items() if hasattr(fields, "items") else fields or ()
        self._fields: List[Tuple[str, str]] = [(str(name), str(value)) for name, value in pairs]

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """Give the field's value, of several the first."""
        return next((value for known, value in self._fields if known.lower() == name.lower()), default)

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __setitem__(self, name: str, value: Any) -> None:
        self._fields = [(known, held) for known, held in self._fields if known.lower() != name.lower()] + [(name, str(value))]

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._fields])

    def __len__(self) -> int:
        return len(self._fields)

    def keys(self) -> List[str]:
        """Give the names."""
        return list(self)

    def items(self) -> List[Tuple[str, str]]:
        """Give names and values."""
        return list(self._fields)


class RawRequest:
    """A request as it came."""

    def __init__(self, head: bytes = b"", body: bytes = b"") -> None:
        line, _, fields = head.decode("latin-1").partition("\r\n")
        self.method, _, rest = line.partition(" ")
        target = rest.rpartition(" ")[0]
        self.full_path = target
        self.path, _, query = target.partition("?")
        self.query_string = query.encode("latin-1")
        self.headers = Headers((name, value.strip()) for name, _, value in (one.partition(":") for one in fields.split("\r\n")) if name)
        self.data = body

    @property
    def args(self) -> Dict[str, str]:
        """The query's parameters, of several of one name the last."""
        return dict(urllib.parse.parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))

    @property
    def content_type(self) -> Optional[str]:
        """The header Content-Type."""
        return self.headers.get("content-type")

    @property
    def content_length(self) -> int:
        """How many bytes the body has."""
        return len(self.data)

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.data)

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Read the body as JSON; None instead of an error when asked to be silent."""
        try:
            return self.json
        except ValueError:
            if silent:
                return None
            raise

    def get_data(self, cache: bool = True, as_text: bool = False) -> Any:
        """Give the body, as bytes or as text."""
        return self.data.decode() if as_text else self.data


class RawResponse:
    """An answer with a status and headers of its own."""

    def __init__(self, message: Any = None, status_code: int = 200, headers: Any = None, json_str: bool = False) -> None:
        as_it_is = isinstance(message, (bytes, str)) and not json_str
        self.headers = Headers(headers)
        if "content-type" not in self.headers:
            self.headers["content-type"] = "text/html; charset=utf-8" if as_it_is else "application/json"
        self.response = message if as_it_is else json.dumps(message)
        self.status_code = status_code

    def get_data(self) -> bytes:
        """Give the body."""
        return self.response if isinstance(self.response, bytes) else str(self.response).encode()


def rawhttp(run: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a run() that wants the request itself."""
    setattr(run, MARK, True)
    return run


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the two modules, and the packages above them where nobody else has them."""

    def __init__(self, contents: Dict[str, Dict[str, Any]], parents: bool) -> None:
        self._contents, self._parents = contents, parents

    def find_spec(
        self, fullname: str, path: Optional[Sequence[Any]], target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in self._contents:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=self._parents)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._contents[module.__name__])


def offer() -> None:
    """Make the import names of the original give what is here."""
    modules: Dict[str, Dict[str, Any]] = {}
    parents: Dict[str, Dict[str, Any]] = {}
    for place in PLACES:
        modules[place + ".aml_request"] = {"AMLRequest": RawRequest, "rawhttp": rawhttp}
        modules[place + ".aml_response"] = {"AMLResponse": RawResponse}
        parts = place.split(".")
        parents.update({".".join(parts[: count + 1]): {} for count in range(len(parts))})
    sys.meta_path.insert(0, _Finder(modules, parents=False))
    sys.meta_path.append(_Finder(parents, parents=True))
