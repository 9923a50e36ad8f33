"""The forms of models' pages; what they hold is checked by the services, whose problems come back to the fields."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from studio.assets.registry.models import Type

MONO = {"class": "mono", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
Choices = Iterable[tuple[str, str]]


class VersionForm(forms.Form):
    """A version to register; the tags are drawn beside it."""

    name = forms.CharField(
        label="Name", error_messages={"required": "A model needs a name."}, widget=forms.TextInput(attrs={**MONO, "list": "models"}),
        help_text="A name that is there already gets a further version.",
    )  # fmt: skip
    version = forms.CharField(
        required=False, label="Version", widget=forms.TextInput(attrs={**MONO, "placeholder": "the next number"}),
        help_text="A number or a word. It can never be changed.",
    )  # fmt: skip
    type = forms.ChoiceField(required=False, label="Type", choices=[("", "As the files say"), *Type.choices])
    path = forms.CharField(
        required=False, label="Path", widget=forms.TextInput(attrs={**MONO, "placeholder": "azureml://jobs/<job>/outputs/<output>/paths/<path>"}),
        help_text="Instead of files: what a job left, as azureml://jobs/… or runs:/<job>/<path>. No byte is copied.",
    )  # fmt: skip
    base_name = forms.CharField(
        required=False, label="Folder", widget=forms.TextInput(attrs={**MONO, "placeholder": "model"}),
        help_text="Deployments find the files in $AZUREML_MODEL_DIR under this name.",
    )  # fmt: skip
    stage = forms.CharField(required=False, label="Stage", widget=forms.TextInput(attrs={"placeholder": "none"}))
    description = forms.CharField(required=False, label="Description", widget=forms.Textarea(attrs={"rows": 3}))


class PlaceForm(VersionForm):
    """A version to register from what one job left: the path is one of its folders and files."""

    path = forms.CharField(label="Files", widget=forms.Select, help_text="A folder or a file that the job left. No byte is copied.")

    def __init__(self, *args: Any, places: Choices = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["base_name"]
        widget = self.fields["path"].widget
        assert isinstance(widget, forms.Select)
        widget.choices = list(places)


class WordsForm(forms.Form):
    """What can change of a model or a version; the tags are drawn beside it."""

    description = forms.CharField(required=False, label="Description", widget=forms.Textarea(attrs={"rows": 5, "autofocus": True}))


def tags_from(post: Any) -> dict[str, str]:
    """Return the tags of a form's rows; what has neither key nor value is left out."""
    pairs = zip(post.getlist("tag_key"), post.getlist("tag_value"), strict=False)
    return {key.strip(): value.strip() for key, value in pairs if key.strip() or value.strip()}


def tag_rows(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the rows that the form draws."""
    return [{"key": key, "value": value} for key, value in tags.items()]
