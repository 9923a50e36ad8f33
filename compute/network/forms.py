"""The forms of a cluster's network; what they hold is checked by the services, whose problems come back to the fields."""

from django import forms

from compute.forms import MONO

PEM = {**MONO, "rows": 8}


class Text(forms.CharField):
    """A text that another field may stand in for: that there is none at all is the service's to say."""

    def validate(self, value: str) -> None: ...


class CertificateForm(forms.Form):
    """A chain and its key, pasted or as files, or the name of a Secret."""

    use_required_attribute = False

    source = forms.ChoiceField(
        label="Where it comes from",
        initial="upload",
        widget=forms.RadioSelect,
        choices=[("upload", "I give it here"), ("secret", "It is in a Secret of the cluster")],
    )
    chain = Text(
        label="Chain",
        strip=False,
        widget=forms.Textarea(attrs={**PEM, "placeholder": "-----BEGIN CERTIFICATE-----"}),
        help_text="PEM: the server's certificate first, then those that signed it, up to the root.",
    )
    chain_file = forms.FileField(label="Or its file", required=False)
    key = Text(
        label="Private key",
        strip=False,
        widget=forms.Textarea(attrs={**PEM, "rows": 5, "placeholder": "-----BEGIN PRIVATE KEY-----"}),
        help_text="PEM, without a passphrase. It is kept encrypted and never shown again.",
    )
    key_file = forms.FileField(label="Or its file", required=False)
    secret = Text(
        label="Secret",
        max_length=253,
        widget=forms.TextInput(attrs={**MONO, "placeholder": "scoring-tls"}),
        help_text="In the namespace mooring-system: of the type kubernetes.io/tls, or with cert.pem and key.pem. Renewals are followed.",
    )


class WayOutForm(forms.Form):
    """Proxy and authorities of a cluster's pods."""

    http_proxy = forms.CharField(label="Proxy for http://", required=False, max_length=1000,
                                 widget=forms.TextInput(attrs={**MONO, "placeholder": "http://proxy.corp.example:3128"}))  # fmt: skip
    https_proxy = forms.CharField(label="Proxy for https://", required=False, max_length=1000,
                                  widget=forms.TextInput(attrs={**MONO, "placeholder": "http://proxy.corp.example:3128"}),
                                  help_text="User and password go before an @; a password is kept encrypted and shown as •••.")  # fmt: skip
    no_proxy = forms.CharField(label="Without the proxy", required=False, max_length=4000,
                               widget=forms.Textarea(attrs={**MONO, "rows": 2, "placeholder": ".corp.example, 10.0.0.0/8"}),
                               help_text="Besides these, the cluster's own names and ranges, and the studio.")  # fmt: skip
    ca_bundle = forms.CharField(
        label="Authorities",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={**PEM, "placeholder": "-----BEGIN CERTIFICATE-----"}),
        help_text="Certificates that pods trust, as PEM, one after the other.",
    )
    ca_file = forms.FileField(label="Or their file", required=False)
    ca_with_system = forms.BooleanField(
        label="Together with the authorities that the studio's own machine knows",
        required=False,
        help_text="Leave it off only when the bundle is complete: programs in pods then trust nothing else.",
    )


class EgressForm(forms.Form):
    """Addresses to try."""

    addresses = forms.CharField(
        label="Addresses",
        widget=forms.Textarea(attrs={**MONO, "rows": 3, "placeholder": "https://example.com\nregistry.corp.example:5000"}),
        help_text="One a line, ten at most.",
    )
