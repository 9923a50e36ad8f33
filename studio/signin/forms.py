"""What people set for themselves."""

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as factor
from allauth.mfa.totp import forms as totp
from django import forms

from studio.signin.preferences import zones

THEMES = (("auto", "As the system"), ("light", "Light"), ("dark", "Dark"))


class ProfileForm(forms.Form):
    """A person's name and how pages look to them."""

    first_name = forms.CharField(max_length=150, required=False)
    last_name = forms.CharField(max_length=150, required=False)
    time_zone = forms.ChoiceField(required=False, help_text="Exact times are shown in it.")
    theme = forms.ChoiceField(choices=THEMES, help_text="Also in other browsers, from the next sign-in on.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "As the browser"), *((name, name.replace("_", " ")) for name in zones())]


class _Plain:
    """Leave the label to say what a field is, and the rules of a password to the page."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if "password" in name:
                field.help_text = ""
            if name == "code":
                field.widget.attrs |= {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
        self.fields[next(iter(self.fields))].widget.attrs["autofocus"] = True


class SignInForm(_Plain, account.LoginForm):  # type: ignore[misc]
    """User name and password."""


class ChangePasswordForm(_Plain, account.ChangePasswordForm):  # type: ignore[misc]
    """The old password and the new one."""


class FirstPasswordForm(_Plain, account.SetPasswordForm):  # type: ignore[misc]
    """A first password."""


class AskAgainForm(_Plain, account.ReauthenticateForm):  # type: ignore[misc]
    """The password once more."""


class SecondStepForm(_Plain, factor.AuthenticateForm):  # type: ignore[misc]
    """A code after the password."""


class AskForCodeForm(_Plain, factor.ReauthenticateForm):  # type: ignore[misc]
    """A code before a sensitive change."""


class AddAppForm(_Plain, totp.ActivateTOTPForm):  # type: ignore[misc]
    """The first code of an app."""
