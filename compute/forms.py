"""The forms of the pages; what they hold is checked by the services, whose problems come back to the fields."""

from collections.abc import Iterable
from typing import Any

from django import forms

from compute.instance_types import TypeSpec
from compute.kube.config import ContextChoice
from compute.models import Cluster
from studio.accounts.models import Workspace

MONO = {"class": "mono", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
MAX_UPLOAD = 1024 * 1024


class KubeconfigForm(forms.Form):
    """A kubeconfig, pasted or as a file, and one of its contexts."""

    # A chosen file stands in for the text: the browser must not insist on it.
    use_required_attribute = False

    kubeconfig = forms.CharField(
        strip=False,
        error_messages={"required": "Paste a kubeconfig, or choose its file."},
        widget=forms.Textarea(attrs={**MONO, "rows": 10, "placeholder": "apiVersion: v1\nkind: Config\n…"}),
        help_text="As `kubectl config view --raw --flatten --minify` prints it. It is kept encrypted and never shown.",
    )
    file = forms.FileField(required=False, label="Or its file")
    context = forms.ChoiceField(required=False, widget=forms.RadioSelect)
    allow_insecure = forms.BooleanField(
        required=False,
        label="Connect without checking the server's certificate",
        help_text="Whoever sits in between can then read and change everything. The cluster carries a warning for ever.",
    )

    def __init__(self, *args: Any, choices: Iterable[ContextChoice] = (), admin: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["context"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(choice.name, _context_label(choice)) for choice in choices]
        if not admin:
            del self.fields["allow_insecure"]
        self.fields["kubeconfig"].required = self.data.get("source") != "in_cluster"

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and file.size > MAX_UPLOAD:
            raise forms.ValidationError("The file is larger than 1 MiB; a kubeconfig is not.")
        return file


class AttachClusterForm(KubeconfigForm):
    """A cluster to attach."""

    field_order = ("name", "source", "kubeconfig", "file", "context", "allow_insecure")

    name = forms.CharField(
        max_length=32,
        widget=forms.TextInput(attrs={**MONO, "autofocus": True, "required": True, "placeholder": "gpu-a"}),
        help_text="What people call it here: lower-case letters, digits and dashes.",
    )
    source = forms.ChoiceField(
        label="How to reach it",
        initial="kubeconfig",
        widget=forms.RadioSelect,
        choices=[("kubeconfig", "With a kubeconfig"), ("in_cluster", "It is the cluster that this studio runs in")],
    )


class RenameForm(forms.Form):
    """A cluster's name."""

    name = forms.CharField(max_length=32, widget=forms.TextInput(attrs=MONO))


class InstanceTypeForm(forms.Form):
    """An instance type; tolerations and further limits are rows of their own."""

    name = forms.CharField(max_length=63, widget=forms.TextInput(attrs={**MONO, "placeholder": "gpu-small"}))
    description = forms.CharField(max_length=300, required=False)
    requests_cpu = forms.CharField(label="CPU requested", widget=forms.TextInput(attrs={**MONO, "placeholder": "500m"}))
    requests_memory = forms.CharField(label="Memory requested", widget=forms.TextInput(attrs={**MONO, "placeholder": "1Gi"}))
    limits_cpu = forms.CharField(label="CPU limit", widget=forms.TextInput(attrs={**MONO, "placeholder": "2"}))
    limits_memory = forms.CharField(label="Memory limit", widget=forms.TextInput(attrs={**MONO, "placeholder": "4Gi"}))
    gpu_resource = forms.CharField(
        label="GPU resource",
        required=False,
        initial="nvidia.com/gpu",
        widget=forms.TextInput(attrs={**MONO, "list": "gpu-resources"}),
    )
    gpus = forms.CharField(label="GPUs", required=False, widget=forms.TextInput(attrs={**MONO, "inputmode": "numeric"}))
    tolerations = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={**MONO, "rows": 3, "placeholder": "nvidia.com/gpu=present:NoSchedule\nspot:NoExecute"}),
        help_text="One a line, as taints are written: key=value:Effect, or key:Effect for any value.",
    )
    default = forms.BooleanField(required=False, label="The default for jobs that name no instance type")
    version = forms.CharField(required=False, widget=forms.HiddenInput)


class ComputeForm(forms.Form):
    """A compute of a cluster."""

    workspace = forms.ChoiceField()
    name = forms.CharField(max_length=32, widget=forms.TextInput(attrs={**MONO, "placeholder": "local"}))
    namespace = forms.CharField(
        max_length=63,
        required=False,
        widget=forms.TextInput(attrs=MONO),
        help_text="Empty: one is proposed from the workspace and the name.",
    )
    create = forms.ChoiceField(
        label="The namespace",
        initial="yes",
        widget=forms.RadioSelect,
        choices=[("yes", "Make it, at the Pod Security level restricted"), ("no", "It exists: check that jobs can run there")],
    )
    default_instance_type = forms.ChoiceField(required=False, label="Default instance type")
    run_as_root = forms.BooleanField(
        required=False,
        label="Allow images that run as root",
        help_text="The namespace is then at the level baseline instead of restricted.",
    )
    description = forms.CharField(max_length=300, required=False, help_text="What data scientists should know about it.")

    def __init__(self, *args: Any, cluster: Cluster, types: dict[str, TypeSpec], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        spaces = Workspace.objects.order_by("name")
        _choices(self, "workspace", [(space.name, space.display_name or space.name) for space in spaces])
        named = [(each.name, f"{each.name} ({each.size})") for each in types.values() if not each.problem]
        _choices(self, "default_instance_type", [("", "The cluster's default"), *named])


def _choices(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


def _context_label(choice: ContextChoice) -> str:
    parts = [choice.name, choice.server, f"as {choice.user}" if choice.user else ""]
    label = " · ".join(part for part in parts if part)
    return f"{label} (not usable: {choice.problem})" if choice.problem else label
