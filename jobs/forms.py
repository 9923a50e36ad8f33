"""The form of a job: what a person typed, to and from the fields of a YAML, with nothing of it ever lost.

A `Draft` is the form's content whichever tab it is on. Fields of a YAML for which the form has no input are carried along
in `rest`. What was uploaded is kept by digest, so that a form that comes back with problems still has its files.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms

from jobs.spec.shapes import MOST_RETRIES

DEFAULT_IMAGE = "python:3.11"
NO_COMMAND = "Write what to run."
# Fields of a YAML that say nothing a person would miss in the form.
SILENT = frozenset({"$schema", "type"})
ORDER = (
    "$schema", "type", "name", "display_name", "experiment_name", "description", "tags", "command", "code", "environment",
    "environment_variables", "inputs", "outputs", "compute", "resources", "limits", "retry_settings",
)  # fmt: skip
# Where a problem of the YAML's field is shown on the form; longer paths are looked up by their beginnings.
FIELDS = {
    "command": "command",
    "environment": "image",
    "compute": "compute",
    "resources.instance_type": "instance_type",
    "resources.instance_count": "count",
    "display_name": "display_name",
    "experiment_name": "experiment",
    "description": "description",
    "limits": "time_limit",
    "retry_settings": "retries",
}
_TIME = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?\s*", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MONO = {"class": "mono", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}


@dataclass
class InputRow:
    """One input on the form: a value, or files that are kept by the digest of their tree."""

    name: str = ""
    kind: str = "value"
    value: str = ""
    digest: str = ""
    path: str = ""
    words: str = ""
    number: str = ""
    problem: str = ""


@dataclass
class Pair:
    """One row of name and value."""

    key: str
    value: str
    problem: str = ""


@dataclass
class Draft:
    """A job as far as it was typed."""

    fields: dict[str, str] = field(default_factory=dict)
    variables: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)
    inputs: list[InputRow] = field(default_factory=list)
    code: str = ""
    code_path: str = ""
    # Digests of inputs that only the YAML knows, by name.
    kept: dict[str, str] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def rest_names(self) -> list[str]:
        """Return the fields that are set and that only the YAML shows."""
        return [name for name in self.rest if name not in SILENT]

    def local_inputs(self) -> dict[str, str]:
        """Return the digests of the inputs that are files, by name."""
        return {**self.kept, **{row.name: row.digest for row in self.inputs if row.kind != "value" and row.digest}}

    def values(self) -> dict[str, Any]:
        """Return the fields of the YAML that says the same."""
        given = copy.deepcopy(self.rest)
        text = {name: value.strip() for name, value in self.fields.items()}
        # A browser ends lines with CR LF, which a shell would read as part of the words.
        given["command"] = self.fields.get("command", "").replace("\r\n", "\n").strip("\n")
        if self.code:
            given["code"] = self.code_path or "./src"
        if text.get("image"):
            given["environment"] = text["image"] if text["image"].startswith("azureml:") else {"image": text["image"]}
        for name, key in (("display_name", "display_name"), ("experiment", "experiment_name"), ("description", "description")):
            if text.get(name):
                given[key] = text[name]
        if text.get("compute"):
            given["compute"] = f"azureml:{text['compute']}"
        self._put_resources(given, text)
        if text.get("time_limit"):
            seconds = seconds_of(text["time_limit"])
            given.setdefault("limits", {})["timeout"] = text["time_limit"] if seconds is None else seconds
        if (retries := text.get("retries", "")) not in ("", "0"):
            given.setdefault("retry_settings", {})["max_retries"] = _number(retries)
        for key, rows in (("environment_variables", self.variables), ("tags", self.tags)):
            pairs = {row.key: row.value for row in rows if row.key}
            if pairs:
                given[key] = pairs
        inputs = {row.name: _input_value(row) for row in self.inputs if row.name}
        if inputs:
            given["inputs"] = {**given.get("inputs", {}), **inputs}
        rank = {name: index for index, name in enumerate(ORDER)}
        return dict(sorted(given.items(), key=lambda pair: rank.get(pair[0], len(rank))))

    def _put_resources(self, given: dict[str, Any], text: dict[str, str]) -> None:
        resources = dict(given.get("resources") or {})
        if text.get("instance_type"):
            resources["instance_type"] = text["instance_type"]
        count = text.get("count", "")
        if count and count != "1":
            resources["instance_count"] = _number(count)
        if resources:
            given["resources"] = resources


def draft_of(values: Mapping[str, Any], *, code: str = "", digests: Mapping[str, str] | None = None) -> Draft:
    """Return the draft that says the same as the fields of a YAML; `code` and `digests` are what was uploaded for them."""
    rest = copy.deepcopy(dict(values))
    draft = Draft(rest=rest, code=code, kept=dict(digests or {}))
    command = rest.pop("command", "")
    draft.fields["command"] = command if isinstance(command, str) else str(command)
    for key, name in (("display_name", "display_name"), ("experiment_name", "experiment"), ("description", "description")):
        if isinstance(rest.get(key), str):
            draft.fields[name] = rest.pop(key)
    if code and isinstance(rest.get("code"), str):
        draft.code_path = rest.pop("code")
    _take_environment(draft)
    if isinstance(rest.get("compute"), str):
        draft.fields["compute"] = rest.pop("compute").removeprefix("azureml:")
    _take_numbers(draft)
    for key, rows in (("environment_variables", draft.variables), ("tags", draft.tags)):
        if isinstance(rest.get(key), dict):
            rows.extend(Pair(str(name), "" if value is None else str(value)) for name, value in rest.pop(key).items())
    _take_inputs(draft)
    return draft


def _take_environment(draft: Draft) -> None:
    environment = draft.rest.get("environment")
    if isinstance(environment, str):
        draft.fields["image"] = draft.rest.pop("environment")
    elif isinstance(environment, dict) and set(environment) == {"image"}:
        draft.fields["image"] = str(draft.rest.pop("environment")["image"])


def _take_numbers(draft: Draft) -> None:
    resources, limits, retry = (draft.rest.get(name) for name in ("resources", "limits", "retry_settings"))
    if isinstance(resources, dict):
        draft.fields["instance_type"] = str(resources.pop("instance_type", "") or "")
        draft.fields["count"] = str(resources.pop("instance_count", 1) or 1)
        if not resources:
            del draft.rest["resources"]
    if isinstance(limits, dict):
        timeout = limits.pop("timeout", None)
        draft.fields["time_limit"] = "" if timeout is None else time_words(timeout)
        if not limits:
            del draft.rest["limits"]
    if isinstance(retry, dict):
        draft.fields["retries"] = str(retry.pop("max_retries", "") or "")
        if not retry:
            del draft.rest["retry_settings"]


def _take_inputs(draft: Draft) -> None:
    inputs = draft.rest.get("inputs")
    if not isinstance(inputs, dict):
        return
    for name, value in list(inputs.items()):
        if isinstance(value, dict) and set(value) == {"value"}:
            value = value["value"]
        if isinstance(value, str | int | float):
            draft.inputs.append(InputRow(name=str(name), value=str(value)))
        elif isinstance(value, dict) and name in draft.kept and set(value) <= {"type", "path"}:
            kind = "file" if value.get("type") == "uri_file" else "folder"
            draft.inputs.append(InputRow(str(name), kind, digest=draft.kept.pop(name), path=str(value.get("path", ""))))
        else:
            continue
        del inputs[name]
    if not inputs:
        del draft.rest["inputs"]


def _input_value(row: InputRow) -> Any:
    if row.kind == "value":
        return plain(row.value)
    return {"type": "uri_file" if row.kind == "file" else "uri_folder", "path": row.path or f"./{row.name}"}


def plain(text: str) -> str | int | float:
    """Return a number for a text that spells one exactly as it would be written again; else the text."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text and text not in ("inf", "nan", "-inf"):
            return number
    return text


def _number(text: str) -> int | str:
    """Return a whole number as one; the text where it is none, or longer than any that is meant."""
    return int(text) if text.isdecimal() and len(text) < 10 else text


def seconds_of(text: str) -> int | None:
    """Return the seconds of `90`, `30 m`, `1.5 h` or `2 days`; None when it is none of these."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    return round(float(found[1]) * _SECONDS[(found[2] or "s")[0].lower()])


def time_words(seconds: Any) -> str:
    """Return seconds in the largest unit that takes them whole: `2 h`, `90 s`."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return str(seconds)
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]} {unit}"
    return f"{seconds} s"


class JobForm(forms.Form):
    """The plain fields of the form; rows and files are drawn beside it, and everything is checked by the service."""

    command = forms.CharField(
        strip=False,
        error_messages={"required": NO_COMMAND},
        widget=forms.Textarea(attrs={**MONO, "rows": 4, "autofocus": True, "placeholder": "python train.py --epochs 5"}),
        help_text="Run by bash in the folder of the code. ${{inputs.name}} stands for an input.",
    )
    image = forms.CharField(
        required=False, label="Image", widget=forms.TextInput(attrs={**MONO, "list": "images"}),
        help_text="A container image, or the name of a curated environment (azureml:name).",
    )  # fmt: skip
    compute = forms.CharField(label="Compute", widget=forms.Select)
    instance_type = forms.CharField(required=False, label="Instance type", widget=forms.Select)
    count = forms.CharField(required=False, label="Count", widget=forms.NumberInput(attrs={"min": 1, "max": 1000, "inputmode": "numeric"}))
    display_name = forms.CharField(required=False, label="Name", max_length=256, help_text="Shown in lists. One is made if you give none.")
    experiment = forms.CharField(required=False, label="Experiment", widget=forms.TextInput(attrs={"list": "experiments"}))
    description = forms.CharField(required=False, label="Description", widget=forms.Textarea(attrs={"rows": 2}))
    time_limit = forms.CharField(
        required=False, label="Time limit", widget=forms.TextInput(attrs={"placeholder": "none"}),
        help_text="From the command's start, such as 30 m or 2 h.",
    )  # fmt: skip

    retries = forms.CharField(
        required=False, label="Retries",
        widget=forms.NumberInput(attrs={"min": 0, "max": MOST_RETRIES, "inputmode": "numeric", "placeholder": "0"}),
        help_text="Further attempts when it fails.",
    )  # fmt: skip

    def __init__(self, *args: Any, computes: Any = (), types: Any = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (("compute", computes), ("instance_type", types)):
            widget = self.fields[name].widget
            assert isinstance(widget, forms.Select)
            widget.choices = list(choices)

    def clean_command(self) -> str:
        command = str(self.cleaned_data["command"])
        if not command.strip():
            raise forms.ValidationError(NO_COMMAND)
        return command

    def clean_time_limit(self) -> str:
        text = str(self.cleaned_data["time_limit"]).strip()
        seconds = seconds_of(text) if text else 1
        if not seconds:
            raise forms.ValidationError("Write a number with s, m, h or d, such as 30 m.")
        return text

    def clean_count(self) -> str:
        text = str(self.cleaned_data["count"]).strip() or "1"
        number = _number(text)
        if not isinstance(number, int) or not 1 <= number <= 1000:
            raise forms.ValidationError("Write a whole number from 1 to 1,000.")
        return text

    def clean_retries(self) -> str:
        text = str(self.cleaned_data["retries"]).strip()
        number = _number(text or "0")
        if not isinstance(number, int) or number > MOST_RETRIES:
            raise forms.ValidationError(f"Write a whole number from 0 to {MOST_RETRIES}.")
        return text


def form_field(path: str) -> str | None:
    """Return the form's field for a field of the YAML, or None when it has none."""
    while path:
        if path in FIELDS:
            return FIELDS[path]
        path = path.rpartition(".")[0]
    return None
