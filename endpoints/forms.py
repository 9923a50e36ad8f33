"""The form of an endpoint and a deployment: what a person typed, to and from the fields of the two YAMLs, nothing lost.

A `Draft` is the form's content whichever tab it is on; fields for which the form has no input are carried along.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms

from jobs.forms import MONO, Pair

SCRIPT, ROUTES, MLFLOW = "script", "routes", "mlflow"
RUNS = (
    (SCRIPT, "A scoring script: init() and run()"),
    (ROUTES, "A container of its own, by its routes"),
    (MLFLOW, "Neither: an MLflow model"),
)
SILENT = frozenset({"$schema", "type", "endpoint_name"})
ROUTE_FIELDS = ("scoring", "readiness", "liveness")
# Numbers of the form: where they stand in the YAML, what they are called, and what stands without one.
NUMBERS = {
    "request_timeout_ms": ("request_settings.request_timeout_ms", "Longest answer (ms)", "5000"),
    "max_concurrent": ("request_settings.max_concurrent_requests_per_instance", "Requests at a time, each instance", "1"),
    "max_queue_wait_ms": ("request_settings.max_queue_wait_ms", "Longest wait in the queue (ms)", "500"),
    "readiness_delay": ("readiness_probe.initial_delay", "Ready: first asked after (s)", "0"),
    "readiness_period": ("readiness_probe.period", "Ready: asked every (s)", "10"),
    "readiness_timeout": ("readiness_probe.timeout", "Ready: answer within (s)", "2"),
    "readiness_failures": ("readiness_probe.failure_threshold", "Ready: failures before requests stop", "30"),
    "liveness_delay": ("liveness_probe.initial_delay", "Alive: first asked after (s)", "10"),
    "liveness_period": ("liveness_probe.period", "Alive: asked every (s)", "10"),
    "liveness_timeout": ("liveness_probe.timeout", "Alive: answer within (s)", "2"),
    "liveness_failures": ("liveness_probe.failure_threshold", "Alive: failures before it is started again", "30"),
}
# Where a problem of a YAML's field is shown on the form; longer paths are looked up by their beginnings.
ENDPOINT_FIELDS = {"name": "name", "compute": "compute", "description": "description"}
DEPLOYMENT_FIELDS = {
    "name": "deployment",
    "model": "model",
    "code_configuration.scoring_script": "scoring_script",
    "code_configuration.code": "code",
    "code_configuration": "code",
    "environment.inference_config": "scoring_path",
    "environment": "image",
    "instance_type": "instance_type",
    "instance_count": "count",
    "environment_variables": "variables",
    **{path: name for name, (path, _, _) in NUMBERS.items()},
    "request_settings": "request_timeout_ms",
    "readiness_probe": "readiness_period",
    "liveness_probe": "liveness_period",
}


@dataclass
class Draft:
    """An endpoint and its deployment as far as they were typed."""

    fields: dict[str, str] = field(default_factory=dict)
    variables: list[Pair] = field(default_factory=list)
    code: str = ""
    code_path: str = ""
    # The digest of a model's files that came with a YAML; the form offers registered ones only.
    model: str = ""
    endpoint_rest: dict[str, Any] = field(default_factory=dict)
    deployment_rest: dict[str, Any] = field(default_factory=dict)

    @property
    def later(self) -> bool:
        return self.fields.get("later") == "on"

    @property
    def all_traffic(self) -> bool:
        return self.fields.get("all_traffic") == "on"

    @property
    def model_path(self) -> str:
        """Return the local model that the YAML names, while no registered one is chosen in its place."""
        model = self.deployment_rest.get("model")
        return str(model.get("path") or "") if isinstance(model, dict) and not self.fields.get("model") else ""

    @property
    def rest_names(self) -> list[str]:
        """Return the fields that are set and that only the YAML shows."""
        return [name for name in [*self.endpoint_rest, *self.deployment_rest] if name not in SILENT]

    def endpoint_values(self) -> dict[str, Any]:
        """Return the fields of the endpoint's YAML."""
        text = {name: value.strip() for name, value in self.fields.items()}
        given: dict[str, Any] = {"name": text.get("name", "")}
        if text.get("compute"):
            given["compute"] = f"azureml:{text['compute']}"
        given["auth_mode"] = "key"
        if text.get("description"):
            given["description"] = text["description"]
        return given | copy.deepcopy(self.endpoint_rest)

    def deployment_values(self, endpoint: str = "") -> dict[str, Any]:
        """Return the fields of the deployment's YAML."""
        text = {name: value.strip() for name, value in self.fields.items()}
        given: dict[str, Any] = {"name": text.get("deployment", ""), "endpoint_name": endpoint or text.get("name", "")}
        if text.get("model"):
            given["model"] = text["model"] if text["model"].startswith("azureml:") else f"azureml:{text['model']}"
        runs = text.get("runs") or SCRIPT
        if runs == SCRIPT:
            given["code_configuration"] = {"code": self.code_path or "./src", "scoring_script": text.get("scoring_script") or "score.py"}
        environment = self._environment(text, runs)
        if environment:
            given["environment"] = environment
        variables = {row.key: row.value for row in self.variables if row.key}
        if variables:
            given["environment_variables"] = variables
        if text.get("instance_type"):
            given["instance_type"] = text["instance_type"]
        count = text.get("count") or "1"
        given["instance_count"] = _whole(count)
        for name, (path, _, _) in NUMBERS.items():
            if text.get(name):
                group, _, key = path.partition(".")
                given.setdefault(group, {})[key] = _whole(text[name])
        for name, value in copy.deepcopy(self.deployment_rest).items():
            if name == "model" and name in given:
                # A registered one was chosen in the place of the files.
                continue
            # What the form has no input for stands beside what it has.
            known = given.get(name)
            given[name] = value | known if isinstance(value, dict) and isinstance(known, dict) else value
        return given

    def _environment(self, text: Mapping[str, str], runs: str) -> Any:
        image = text.get("image", "")
        if runs != ROUTES:
            return image if image.startswith("azureml:") else {"image": image} if image else None
        port = text.get("scoring_port") or "5001"
        routes: dict[str, Any] = {}
        for name in ROUTE_FIELDS:
            path = text.get(f"{name}_path", "")
            if path:
                routes[f"{name}_route"] = {"path": path, "port": int(port) if port.isdecimal() and len(port) < 6 else port}
        return {"image": image, "inference_config": routes}


def draft_of(endpoint: Mapping[str, Any] | None, deployment: Mapping[str, Any] | None, *, code: str = "", model: str = "") -> Draft:
    """Return the draft that says the same as the fields of the YAMLs; `code` and `model` are digests of what came for them."""
    draft = Draft(code=code, model=model)
    if endpoint is not None:
        rest = copy.deepcopy(dict(endpoint))
        for name in ("name", "description"):
            if isinstance(rest.get(name), str):
                draft.fields[name] = rest.pop(name)
        if isinstance(rest.get("compute"), str):
            draft.fields["compute"] = rest.pop("compute").removeprefix("azureml:")
        rest.pop("auth_mode", None) if rest.get("auth_mode") == "key" else None
        draft.endpoint_rest = rest
    if deployment is None:
        draft.fields["later"] = "on"
        return draft
    draft.deployment_rest = copy.deepcopy(dict(deployment))
    _take_deployment(draft)
    return draft


def _take_deployment(draft: Draft) -> None:
    rest = draft.deployment_rest
    rest.pop("endpoint_name", None)
    if isinstance(rest.get("name"), str):
        draft.fields["deployment"] = rest.pop("name")
    if isinstance(rest.get("model"), str):
        draft.fields["model"] = rest.pop("model").removeprefix("azureml:")
    if isinstance(rest.get("instance_type"), str):
        draft.fields["instance_type"] = rest.pop("instance_type")
    draft.fields["count"] = str(rest.pop("instance_count", None) or 1)
    variables = rest.get("environment_variables")
    if isinstance(variables, dict):
        draft.variables = [
            Pair(str(name), "" if value is None else str(value)) for name, value in rest.pop("environment_variables").items()
        ]
    draft.fields["runs"] = MLFLOW
    configuration = rest.get("code_configuration")
    if isinstance(configuration, dict) and set(configuration) <= {"code", "scoring_script"}:
        rest.pop("code_configuration")
        draft.fields |= {"runs": SCRIPT, "scoring_script": str(configuration.get("scoring_script") or "")}
        draft.code_path = str(configuration.get("code") or "")
    _take_numbers(draft)
    _take_environment(draft)


def _take_numbers(draft: Draft) -> None:
    for name, (path, _, _) in NUMBERS.items():
        group, _, key = path.partition(".")
        values = draft.deployment_rest.get(group)
        if isinstance(values, dict) and isinstance(values.get(key), int):
            draft.fields[name] = str(values.pop(key))
            if not values:
                del draft.deployment_rest[group]


def _whole(text: str) -> int | str:
    """Return a whole number, or the text for the check to say what is wrong with it."""
    return int(text) if text.isdecimal() and len(text) < 10 else text


def _take_environment(draft: Draft) -> None:
    environment = draft.deployment_rest.get("environment")
    if isinstance(environment, str):
        draft.fields["image"] = draft.deployment_rest.pop("environment")
    if not isinstance(environment, dict):
        return
    routes = environment.get("inference_config") or {}
    known = {f"{name}_route" for name in ROUTE_FIELDS}
    ports = {route.get("port") for route in routes.values() if isinstance(route, dict)}
    if not set(environment) <= {"image", "inference_config"} or not set(routes) <= known or len(ports) > 1:
        return
    draft.deployment_rest.pop("environment")
    draft.fields["image"] = str(environment.get("image") or "")
    if routes:
        draft.fields |= {"runs": ROUTES, "scoring_port": str(next(iter(ports)) or "")}
        for name in ROUTE_FIELDS:
            draft.fields[f"{name}_path"] = str((routes.get(f"{name}_route") or {}).get("path") or "")


class DeployForm(forms.Form):
    """The plain fields of the wizard; files are drawn beside it, and everything is checked by the service."""

    name = forms.CharField(
        label="Name", widget=forms.TextInput(attrs={**MONO, "autofocus": True, "maxlength": 32, "placeholder": "flowers"}),
        help_text="Part of the address: 3 to 32 letters, digits and single dashes.",
    )  # fmt: skip
    compute = forms.CharField(label="Compute", widget=forms.Select)
    description = forms.CharField(required=False, label="Description", widget=forms.Textarea(attrs={"rows": 2}))
    model = forms.CharField(required=False, label="Model", widget=forms.Select, help_text="A registered version; its files are in the pod.")
    deployment = forms.CharField(
        label="Deployment name", widget=forms.TextInput(attrs={**MONO, "maxlength": 32}),
        help_text="Callers may name it in the header azureml-model-deployment.",
    )  # fmt: skip
    runs = forms.ChoiceField(label="What answers", choices=RUNS, widget=forms.RadioSelect)
    scoring_script = forms.CharField(
        required=False, label="Scoring script", widget=forms.TextInput(attrs={**MONO, "placeholder": "score.py"}),
        help_text="The file of the code that has init() and run(raw_data).",
    )  # fmt: skip
    image = forms.CharField(
        required=False, label="Image", widget=forms.TextInput(attrs={**MONO, "list": "images"}),
        help_text="With the packages that the script or the model needs; any Python from 3.8.",
    )  # fmt: skip
    scoring_path = forms.CharField(required=False, label="Scoring path", widget=forms.TextInput(attrs={**MONO, "placeholder": "/score"}))
    scoring_port = forms.CharField(required=False, label="Port", widget=forms.NumberInput(attrs={"min": 1, "max": 65535}))
    readiness_path = forms.CharField(required=False, label="Readiness path", widget=forms.TextInput(attrs=MONO))
    liveness_path = forms.CharField(required=False, label="Liveness path", widget=forms.TextInput(attrs=MONO))
    instance_type = forms.CharField(required=False, label="Instance type", widget=forms.Select)
    count = forms.CharField(
        required=False, label="Instances", widget=forms.NumberInput(attrs={"min": 1, "max": 1000, "inputmode": "numeric"})
    )
    all_traffic = forms.BooleanField(required=False, label="All requests go to it as soon as it is ready")
    later = forms.BooleanField(required=False, label="Only the endpoint for now: I add a deployment later")

    def __init__(
        self, *args: Any, computes: Any = (), types: Any = (), models: Any = (), with_endpoint: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (("compute", computes), ("instance_type", types), ("model", models)):
            widget = self.fields[name].widget
            assert isinstance(widget, forms.Select)
            widget.choices = list(choices)
        if not with_endpoint:
            for name in ("name", "compute", "description", "later"):
                del self.fields[name]
            self.fields["deployment"].widget.attrs["autofocus"] = True

    @property
    def request_limits(self) -> list[forms.BoundField]:
        return [self[name] for name, (path, _, _) in NUMBERS.items() if path.startswith("request_settings.")]

    @property
    def probes(self) -> list[forms.BoundField]:
        return [self[name] for name, (path, _, _) in NUMBERS.items() if not path.startswith("request_settings.")]

    @property
    def has_numbers(self) -> bool:
        """Tell whether the numbers are unfolded: one of them is given, or wrong."""
        return any(self[name].value() or self[name].errors for name in NUMBERS)

    def without_deployment(self) -> None:
        """Ask for nothing of a deployment: there is to be none yet."""
        for name in ("deployment", "runs"):
            self.fields[name].required = False


def _number(label: str, usual: str) -> forms.CharField:
    widget = forms.NumberInput(attrs={"min": 0, "inputmode": "numeric", "placeholder": usual})
    return forms.CharField(required=False, label=label, widget=widget)


DeployForm.base_fields |= {name: _number(label, usual) for name, (_, label, usual) in NUMBERS.items()}
PLAIN = tuple(DeployForm.base_fields)


def form_field(path: str, table: Mapping[str, str]) -> str | None:
    """Return the form's field for a field of a YAML, or None when it has none."""
    while path:
        if path in table:
            return table[path]
        path = path.rpartition(".")[0]
    return None
