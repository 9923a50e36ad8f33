"""The form of the extension's settings, under their own names; what it holds is checked by the services."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from compute.extension.wanted import SERVICE_TYPES
from compute.forms import MONO
from compute.views.instance_types import toleration_line, toleration_of
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems

SERVICE_WORDS = {
    "loadBalancer": "loadBalancer: an address of the cluster's load balancer",
    "nodePort": "nodePort: a port on every node",
    "clusterIP": "clusterIP: inside the cluster only",
}


class ExtensionForm(forms.Form):
    """Settings of the extension."""

    use_required_attribute = False

    enableTraining = forms.BooleanField(required=False, label="enableTraining", help_text="Jobs run here.")
    enableInference = forms.BooleanField(required=False, label="enableInference", help_text="Models answer here, through the router.")
    inferenceRouterServiceType = forms.ChoiceField(
        required=False,
        label="inferenceRouterServiceType",
        widget=forms.RadioSelect,
        choices=[(key, SERVICE_WORDS[key]) for key in SERVICE_TYPES],
    )
    inferenceRouterHA = forms.BooleanField(
        required=False, label="inferenceRouterHA", help_text="Three Envoys on three nodes instead of one."
    )
    sslCname = forms.CharField(
        required=False,
        label="sslCname",
        widget=forms.TextInput(attrs={**MONO, "placeholder": "ml.example.com"}),
        help_text="The name that callers use, as it stands in the certificate.",
    )
    sslSecret = forms.CharField(
        required=False,
        label="sslSecret",
        widget=forms.TextInput(attrs={**MONO, "placeholder": "mooring-router-tls"}),
        help_text="An existing Secret of type kubernetes.io/tls in mooring-system. Empty: the certificate of the tab Network.",
    )
    allowInsecureConnections = forms.BooleanField(
        required=False, label="allowInsecureConnections", help_text="Also plain HTTP: keys and data travel in clear. Development only."
    )
    workLoadToleration = forms.CharField(
        required=False,
        label="workLoadToleration",
        widget=forms.Textarea(attrs={**MONO, "rows": 3, "placeholder": "spot=true:NoSchedule"}),
        help_text="One a line, as taints are written. They hold for the extension's pods and for all jobs and deployments.",
    )
    takeOver = forms.BooleanField(
        required=False,
        label="Take the extension over",
        help_text="Another studio installed it, and is gone. It goes on answering; from now on it is this studio's.",
    )


def initial_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form starts with: the settings in force, or what an install most often asks for."""
    if not settings:
        return {"enableTraining": True, "enableInference": True, "inferenceRouterHA": True, "inferenceRouterServiceType": "loadBalancer"}
    tolerations = "\n".join(toleration_line(each) for each in settings.get("workLoadToleration") or [])
    return {**settings, "workLoadToleration": tolerations}


def selector_rows(data: QueryDict | None, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of nodeSelector: as sent, else those in force."""
    if data is None:
        return [{"key": key, "value": value} for key, value in (settings.get("nodeSelector") or {}).items()]
    pairs = zip(data.getlist("nodeSelector_key"), data.getlist("nodeSelector_value"), strict=False)
    return [{"key": key.strip(), "value": value.strip()} for key, value in pairs if key.strip()]


def settings_of(given: Mapping[str, Any], selector: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the settings that the form and its rows ask for."""
    lines = [line for line in given["workLoadToleration"].splitlines() if line.strip()]
    return {
        **{key: value for key, value in given.items() if key != "takeOver"},
        "nodeSelector": {row["key"]: row["value"] for row in selector},
        "workLoadToleration": [toleration_of(line) for line in lines],
    }


def place_problems(form: ExtensionForm, selector: list[dict[str, Any]], error: MooringError) -> list[ProblemError]:
    """Put each problem at its field or row; return those that belong to none."""
    left: list[ProblemError] = []
    for problem in getattr(error, "errors", [error]):
        place = str(getattr(problem, "field", None) or "")
        row = next((each for each in selector if place == f"nodeSelector.{each['key']}"), None)
        if row is not None:
            row["problem"] = f"{problem.text} {problem.todo}"
        elif place.startswith("workLoadToleration"):
            form.add_error("workLoadToleration", f"{problem.text} {problem.todo}")
        else:
            left += show_problems(form, problem)
    return left
