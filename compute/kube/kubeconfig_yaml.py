"""Read YAML from a stranger: small, one document, no aliases, no deep nesting, no tags that build objects."""

from typing import Any

import yaml

from compute.kube.kubeconfig_parts import KubeconfigRefused
from studio.core.texts import is_endless_number

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20
MAX_EVENTS = 60_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_document(text: str | bytes) -> dict[str, Any]:
    """Return the one mapping that the text holds, or raise KubeconfigRefused."""
    content = _decoded(text)
    _scan(content)
    try:
        document = yaml.load(content, Loader=_Loader)  # noqa: S506 a safe loader
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise _not_yaml(error) from error
    if document is None:
        raise KubeconfigRefused("kubeconfig-empty", "The kubeconfig is empty.")
    if not isinstance(document, dict):
        raise KubeconfigRefused("kubeconfig-not-a-kubeconfig", "The text is YAML, but not a kubeconfig.")
    if document.get("kind") not in (None, "", "Config"):
        raise KubeconfigRefused("kubeconfig-not-a-kubeconfig", f"The text is a Kubernetes “{document['kind']}”, not a kubeconfig.")
    return document


def _decoded(text: str | bytes) -> str:
    try:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > MAX_BYTES:
            raise KubeconfigRefused("kubeconfig-too-large", f"The kubeconfig is larger than {MAX_BYTES // 1024} KiB.", size=len(raw))
        return raw.decode("utf-8-sig")
    except UnicodeError as error:
        raise _not_yaml(error) from error


def _scan(content: str) -> None:
    """Walk the events, which needs no recursion, before anything is built from them."""
    depth = documents = count = 0
    try:
        for event in yaml.parse(content, Loader=_Loader):
            count += 1
            if count > MAX_EVENTS:
                raise KubeconfigRefused("kubeconfig-too-large", "The kubeconfig has too many entries.", entries=count)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise KubeconfigRefused("kubeconfig-several-documents", "The text holds several YAML documents; give one.")
            elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise KubeconfigRefused("kubeconfig-aliases", "The kubeconfig uses YAML anchors and aliases.")
            elif is_endless_number(event):
                mark: Any = event.start_mark
                line, column = mark.line + 1, mark.column + 1
                text = f"The kubeconfig holds a number that is too long (line {line}, column {column})."
                raise KubeconfigRefused("kubeconfig-not-yaml", text, line=line, column=column)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise KubeconfigRefused("kubeconfig-not-yaml", "The kubeconfig is nested too deeply.")
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                depth -= 1
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(error) from error


def _not_yaml(error: Exception) -> KubeconfigRefused:
    mark = getattr(error, "problem_mark", None)
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
    params = {"line": mark.line + 1, "column": mark.column + 1} if mark is not None else {}
    return KubeconfigRefused("kubeconfig-not-yaml", f"The kubeconfig is not valid YAML{where}.", **params)
