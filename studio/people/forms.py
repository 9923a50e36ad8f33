"""Forms of people, invitations, workspaces and tokens; what is wrong with a value is said by the services."""

from collections.abc import Iterable
from typing import Any

from django import forms

from studio.accounts.models import Role, Scope, User, Workspace
from studio.people.invitations import MOST_DAYS, USUAL_DAYS
from studio.people.tokens import MEANINGS, scopes_for

ROLES = [("", "No role"), *Role.choices]
# Names that nothing should complete or correct.
_AS_TYPED = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class UserForm(forms.Form):
    """A person to make."""

    username = forms.CharField(max_length=150, label="User name", widget=forms.TextInput(attrs=_AS_TYPED))
    full_name = forms.CharField(max_length=301, required=False, label="Name")
    email = forms.CharField(max_length=254, required=False, label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    operator = forms.BooleanField(required=False, label="IT operations: attaches clusters, gives workspaces their computes")
    admin = forms.BooleanField(required=False, label="Administrator: people, roles, tokens; owns every workspace")


class ProfileForm(forms.Form):
    """How a person is called and reached."""

    full_name = forms.CharField(max_length=301, required=False, label="Name")
    email = forms.CharField(max_length=254, required=False, label="E-mail", widget=forms.EmailInput)


class InvitationForm(forms.Form):
    """An invitation: for whom, with which roles, until when."""

    name = forms.CharField(max_length=150, required=False, label="For", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = forms.CharField(max_length=254, required=False, label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    days = forms.IntegerField(min_value=1, max_value=MOST_DAYS, initial=USUAL_DAYS, label="Works for, in days")
    operator = forms.BooleanField(required=False, label="IT operations: attaches clusters, gives workspaces their computes")
    admin = forms.BooleanField(required=False, label="Administrator: people, roles, tokens; owns every workspace")

    def __init__(self, *args: Any, workspaces: Iterable[Workspace] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spaces = [space.name for space in workspaces]
        for name in self.spaces:
            self.fields[f"role-{name}"] = forms.ChoiceField(choices=ROLES, required=False, label=name)

    @property
    def role_fields(self) -> list[forms.BoundField]:
        """Return the fields of the roles, one a workspace."""
        return [self[f"role-{name}"] for name in self.spaces]

    def roles(self) -> dict[str, str]:
        """Return the roles that were chosen, by workspace."""
        return {name: role for name in self.spaces if (role := self.cleaned_data.get(f"role-{name}"))}


class AcceptForm(forms.Form):
    """What a new person says of themselves."""

    username = forms.CharField(max_length=150, label="User name", widget=forms.TextInput(attrs=_AS_TYPED | {"autocomplete": "username"}))
    full_name = forms.CharField(max_length=301, required=False, label="Name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(label="Password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))
    again = forms.CharField(label="Password again", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("password") and given.get("again") and given["password"] != given["again"]:
            self.add_error("again", "The two passwords differ.")
        return given


class PasswordForm(AcceptForm):
    """A new password."""

    username = None  # type: ignore[assignment]
    full_name = None  # type: ignore[assignment]


class WorkspaceForm(forms.Form):
    """A workspace to make."""

    name = forms.CharField(max_length=32, label="Name", widget=forms.TextInput(attrs=_AS_TYPED | {"class": "mono"}))
    display_name = forms.CharField(max_length=100, required=False, label="Display name")
    description = forms.CharField(max_length=1000, required=False, label="Description", widget=forms.Textarea(attrs={"rows": 3}))


class SettingsForm(forms.Form):
    """What can change of a workspace."""

    display_name = forms.CharField(max_length=100, required=False, label="Display name")
    description = forms.CharField(max_length=1000, required=False, label="Description", widget=forms.Textarea(attrs={"rows": 3}))


_BOXES = forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"})


class TokenForm(forms.Form):
    """A token to make."""

    name = forms.CharField(max_length=60, label="Name", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    days = forms.IntegerField(min_value=0, label="Works for, in days")
    scopes = forms.MultipleChoiceField(required=False, label="May", widget=_BOXES)
    workspaces = forms.MultipleChoiceField(required=False, label="Only in", widget=_BOXES)

    def __init__(self, *args: Any, person: User, workspaces: Iterable[Workspace], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (scope, MEANINGS[Scope(scope)]) for scope in scopes_for(person) if scope != Scope.READ
        ]
        self.fields["workspaces"].choices = [(space.name, space.name) for space in workspaces]  # type: ignore[attr-defined]
