"""From text or plain values to a typed model, with everything that is wrong said at once."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from jobs.spec import command
from jobs.spec import overrides as overriding
from jobs.spec.errors import SpecError, SpecIssue, SpecWarning
from jobs.spec.kinds import ENOUGH, TITLES, Check, Folder, Kind, Known, LocalPath, detect, issue_at
from jobs.spec.shapes import NO_EFFECT, TAG
from jobs.spec.yamltext import Document, Path, dotted, read
from studio.core.texts import TODO, misleading

KINDS: dict[str, Kind] = {kind.name: kind for kind in (command.KIND,)}
M = TypeVar("M", bound=BaseModel)
COMMAND_ADVICE = "Write a command job: a YAML with `command` and `environment`."


@dataclass(frozen=True)
class Loaded(Generic[M]):
    """An accepted YAML: its model, what has no effect, what the platform must be able to do, which files it needs."""

    kind: str
    model: M
    warnings: tuple[SpecWarning, ...]
    needs: frozenset[str]
    local_paths: tuple[LocalPath, ...]
    document: Document

    def issue(self, problem_id: str, path: str, text: str, todo: str) -> SpecIssue:
        """Make an issue of something found wrong later (a compute that is gone, say), with the field's place."""
        parts: Path = tuple(path.split(".")) if path else ()
        return issue_at(problem_id, parts, self.document.place(parts), text, todo)


def load(
    text: str | bytes, *, overrides: Iterable[str] = (), folder: Folder | None = None, known: Known | None = None
) -> Loaded[command.CommandJob]:
    """Load a YAML text, or raise `SpecError` with every issue found.

    `overrides` are `path=value` texts, applied first. Without `folder` local paths are listed but not looked for.
    """
    return _load(read(text), overrides, folder, known, KINDS, COMMAND_ADVICE)


def load_values(
    values: Mapping[str, Any],
    *,
    overrides: Iterable[str] = (),
    folder: Folder | None = None,
    known: Known | None = None,
) -> Loaded[command.CommandJob]:
    """Load plain values, as a form or the API has them, exactly as `load` does a text; issues have no lines."""
    return _load(Document(dict(values)), overrides, folder, known, KINDS, COMMAND_ADVICE)


def load_as(
    kind: Kind,
    text: str | bytes | Mapping[str, Any],
    *,
    advice: str,
    overrides: Iterable[str] = (),
    folder: Folder | None = None,
    known: Known | None = None,
) -> Loaded[Any]:
    """Load a YAML text, or plain values, as `kind`; `advice` says what to write where its `$schema` says otherwise.

    For the apps that have kinds of their own, asked by who knows which one is meant; else exactly as `load`.
    """
    document = read(text) if isinstance(text, str | bytes) else Document(dict(text))
    return _load(document, overrides, folder, known, {kind.name: kind}, advice, kind)


def kind_of(text: str | bytes | Mapping[str, Any]) -> str | None:
    """Tell which kind of thing a YAML describes (`job.command`, `schedule`, …), or None when it is not clear."""
    if isinstance(text, str | bytes):
        value = read(text).value
        return detect(value) if isinstance(value, dict) else None
    return detect(text)


def dump(model: BaseModel) -> str:
    """Return the YAML of a model: the fields that were given, texts of several lines as blocks."""
    return dump_values(model.model_dump(by_alias=True, exclude_unset=True))


def dump_values(values: Mapping[str, Any]) -> str:
    """Return plain values as YAML, in the order given, whether or not they make a job."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def json_schema(kind: str = "job.command") -> dict[str, Any]:
    """Return the JSON schema of a kind, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **KINDS[kind].model.model_json_schema(by_alias=True),
        "title": f"Mooring {KINDS[kind].title}",
    }


def _load(
    document: Document,
    overrides: Iterable[str],
    folder: Folder | None,
    known: Known | None,
    kinds: Mapping[str, Kind],
    advice: str,
    otherwise: Kind | None = None,
) -> Loaded[Any]:
    if document.value is None:
        raise SpecError(SpecIssue("spec-empty", "", None, None, "There is nothing in this YAML.", advice))
    if not isinstance(document.value, dict):
        what = "list" if isinstance(document.value, list) else "single value"
        text = f"The YAML is a {what}, not fields with values."
        raise SpecError(
            issue_at(
                "spec-not-a-mapping",
                (),
                document.place(()),
                text,
                advice,
            )
        )
    overriding.apply(document, overrides)
    kind = _kind_of_fields(document, kinds, advice, otherwise)
    check = Check(document, folder, known or Known())
    model = _validated(kind, document, check)
    _warn_of_no_effect(model, (), check)
    _words_that_mislead(document.value, check)
    model = kind.check(model, check)
    if check.issues:
        raise SpecError(*check.issues)
    return Loaded(kind.name, model, tuple(check.warnings), frozenset(check.needs), tuple(check.local_paths), document)


def _words_that_mislead(fields: Mapping[str, Any], check: Check) -> None:
    """Refuse what people will read of a thing where it holds signs that have it read as something else."""
    for name in ("display_name", "description", "stage"):
        if found := misleading(str(fields.get(name) or "")):
            check.refuse("spec-value-not-allowed", (name,), found, TODO)
    for key, value in (fields.get("tags") or {}).items():
        if found := misleading(str(key)) or misleading(str(value or "")):
            place = check.document.place(("tags", key), key=True)
            check.issues.append(issue_at("spec-value-not-allowed", ("tags",), place, f"Of a tag: {found}", TODO))


def _kind_of_fields(document: Document, kinds: Mapping[str, Kind], advice: str, otherwise: Kind | None) -> Kind:
    fields = document.value
    name = detect(fields)
    if name is not None and name in kinds:
        return kinds[name]
    if otherwise is not None and not isinstance(fields.get("$schema"), str):
        return otherwise
    field: Path = ("type",) if "type" in fields else ("$schema",) if "$schema" in fields else ()
    place = document.place(field)
    if name is None:
        text, todo = (
            "Neither `$schema` nor `type` nor the fields tell what this YAML describes.",
            advice,
        )
        raise SpecError(issue_at("spec-kind-unknown", (), place, text, todo))
    text = f"This describes a {TITLES[name]} ({name}), which cannot be submitted here yet."
    if TITLES[name][0] in "aeiou":
        text = text.replace("describes a ", "describes an ")
    raise SpecError(
        issue_at(
            "spec-kind-not-supported",
            field,
            place,
            text,
            advice,
        )
    )


def _validated(kind: Kind, document: Document, check: Check) -> BaseModel:
    fields = dict(document.value)
    for name in kind.read_only:
        if name in fields:
            del fields[name]
            check.warn((name,), f"`{name}` is set by the studio; the value given is left out.")
    try:
        return kind.model.model_validate(fields)
    except ValidationError as error:
        raise SpecError(*_issues(error, kind, document)) from None


def _issues(error: ValidationError, kind: Kind, document: Document) -> list[SpecIssue]:
    issues: dict[tuple[str, str], SpecIssue] = {}
    for detail in error.errors(include_url=False):
        path: Path = tuple(part for part in detail["loc"] if not str(part).startswith(TAG) and part != "[key]")
        problem_id, text, todo = _sentence(detail, path, kind)
        place = document.place(path, key=problem_id == "spec-field-unknown")
        issue = issue_at(problem_id, path, place, text, todo)
        issues.setdefault((issue.path, issue.problem_id), issue)
        if len(issues) >= ENOUGH:
            break
    return list(issues.values())


def _sentence(detail: Any, path: Path, kind: Kind) -> tuple[str, str, str]:
    """Return the problem id, the sentence and the next step for one of pydantic's errors."""
    context = detail.get("ctx") or {}
    name = dotted(path)
    what = detail["type"]
    if what == "spec":
        return context["problem_id"], context["text"], context["todo"]
    if what == "missing":
        return "spec-field-missing", f"`{name}` is missing.", f"Add `{path[-1]}:`."
    if what == "extra_forbidden":
        return "spec-field-unknown", f"`{name}` is not a field of a {kind.title}.", _nearest_field(path, kind)
    if what in ("literal_error", "enum"):
        allowed = context.get("expected", "").replace("'", "`")
        return "spec-value-not-allowed", f"`{name}` cannot be `{_shown(detail['input'])}`.", f"Use {allowed}."
    if what == "spec_type":
        return "spec-value-not-allowed", f"`{name}.type` is missing or not known. {detail['msg']}", "Write one of them."
    if what.startswith(("greater_than", "less_than", "string_too", "finite")):
        message = detail["msg"][0].lower() + detail["msg"][1:]
        return "spec-value-not-allowed", f"`{name}` is out of bounds: {message}.", "Correct the value."
    wanted = _WANTED.get(what, "another kind of value")
    return "spec-value-wrong-type", f"`{name}` must be {wanted}, not `{_shown(detail['input'])}`.", "Correct the value."


_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a set of fields",
    "model_type": "a set of fields",
    "model_attributes_type": "a set of fields",
    "list_type": "a list",
}


def _nearest_field(path: Path, kind: Kind) -> str:
    names: set[str] = set()
    if len(path) == 1:
        names = {info.alias or name for name, info in kind.model.model_fields.items()}
    found = difflib.get_close_matches(str(path[-1]), sorted(names), n=1)
    return f"Did you mean `{found[0]}`?" if found else "Remove it, or check its spelling and its indentation."


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a set of fields"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _warn_of_no_effect(value: Any, path: Path, check: Check) -> None:
    """Warn of every field that was given and is declared to mean nothing here."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _warn_of_no_effect(inner, (*path, key), check)
    if not isinstance(value, BaseModel):
        return
    for name, info in type(value).model_fields.items():
        if name not in value.model_fields_set or getattr(value, name) is None:
            continue
        at = (*path, info.alias or name)
        extra = info.json_schema_extra
        if isinstance(extra, dict) and NO_EFFECT in extra:
            check.warn(at, f"`{dotted(at)}` has no effect on Kubernetes: {extra[NO_EFFECT]}")
        else:
            _warn_of_no_effect(getattr(value, name), at, check)


class _Dumper(yaml.SafeDumper):
    """Plain YAML without aliases, with texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # A block cannot hold blanks at a line's end or an indented first line unchanged; those stay quoted.
    is_block = "\n" in text and not any(line.endswith((" ", "\t")) for line in text.split("\n")) and not text.startswith((" ", "\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if is_block else None)


_Dumper.add_representer(str, _represent_text)
