"""Turn a kubeconfig that nobody vouches for into what is needed to reach one cluster.

A kubeconfig may run programs, read files of this machine and switch off TLS; none of that is done here. What is
accepted is a server's https address, a certificate authority and a bearer token or a client certificate, all inline.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from compute.kube.kubeconfig_parts import (
    KubeconfigRefused,
    checked_ca,
    checked_client_certificate,
    checked_namespace,
    checked_proxy_url,
    checked_server_url,
    checked_token,
    encoded,
    inline_pem,
)
from compute.kube.kubeconfig_yaml import load_document
from compute.kube.reach import EVERYWHERE, UNLIMITED, Reach

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

__all__ = [
    "Connection",
    "ContextChoice",
    "KubeconfigRefused",
    "connection",
    "contexts",
    "in_cluster",
    "render_kubeconfig",
]


@dataclass(frozen=True)
class Connection:
    """Hold all that is needed to talk to one API server; secrets are left out of its repr."""

    server: str
    ca_pem: str | None = None
    token: str | None = field(default=None, repr=False)
    client_cert_pem: str | None = field(default=None, repr=False)
    client_key_pem: str | None = field(default=None, repr=False)
    tls_server_name: str | None = None
    insecure: bool = False
    proxy_url: str | None = field(default=None, repr=False)
    namespace: str | None = None
    context: str = ""
    reach: Reach = field(default=EVERYWHERE, repr=False, compare=False)


@dataclass(frozen=True)
class ContextChoice:
    """Describe one context of a kubeconfig, and why it cannot be used if it cannot."""

    name: str
    cluster: str
    user: str
    server: str
    namespace: str | None
    current: bool
    problem_id: str | None = None
    problem: str | None = None

    @property
    def usable(self) -> bool:
        """Tell whether a connection can be made from it."""
        return self.problem_id is None


def contexts(text: str | bytes, *, allow_insecure: bool = False, reach: Reach = EVERYWHERE) -> list[ContextChoice]:
    """Return the contexts of a kubeconfig in its order.

    Raise KubeconfigRefused when the text as a whole cannot be used; a single bad context is returned with its problem.
    """
    kubeconfig = _read(text)
    if not kubeconfig.contexts:
        raise KubeconfigRefused("kubeconfig-no-context", "The kubeconfig has no context.")
    return [_choice(kubeconfig, name, allow_insecure=allow_insecure, reach=reach) for name in kubeconfig.contexts]


def connection(text: str | bytes, context: str | None = None, *, allow_insecure: bool = False, reach: Reach = EVERYWHERE) -> Connection:
    """Return the connection that a kubeconfig's context describes, or raise KubeconfigRefused.

    Without a name the current context counts, or the only one there is.
    """
    kubeconfig = _read(text)
    return _connect(kubeconfig, _pick_context(kubeconfig, context), allow_insecure=allow_insecure, reach=reach)


def in_cluster(folder: Path = SERVICE_ACCOUNT_FOLDER, environ: Mapping[str, str] | None = None) -> Connection:
    """Return the connection of the pod this process runs in, or refuse with ``not-in-a-cluster``.

    The kubelet replaces the token about once an hour: ask again for each new client.
    """
    environ = os.environ if environ is None else environ
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        token = (folder / "token").read_text().strip()
        ca_pem = (folder / "ca.crt").read_text()
    except OSError as error:
        raise KubeconfigRefused("not-in-a-cluster", "This studio does not run in a Kubernetes pod with a service account.") from error
    if not host or not token:
        raise KubeconfigRefused("not-in-a-cluster", "This studio does not run in a Kubernetes cluster.")
    namespace_file = folder / "namespace"
    return Connection(
        server=checked_server_url(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", UNLIMITED),
        ca_pem=checked_ca(ca_pem),
        token=checked_token(token),
        namespace=checked_namespace(namespace_file.read_text().strip()) if namespace_file.exists() else None,
        context="in-cluster",
        reach=UNLIMITED,
    )


def render_kubeconfig(connection: Connection, *, name: str = "mooring") -> str:
    """Return a kubeconfig with everything inline that describes exactly this connection."""
    cluster: dict[str, Any] = {"server": connection.server}
    if connection.insecure:
        cluster["insecure-skip-tls-verify"] = True
    elif connection.ca_pem:
        cluster["certificate-authority-data"] = encoded(connection.ca_pem)
    if connection.tls_server_name:
        cluster["tls-server-name"] = connection.tls_server_name
    if connection.proxy_url:
        cluster["proxy-url"] = connection.proxy_url
    user: dict[str, Any] = {}
    if connection.token:
        user["token"] = connection.token
    if connection.client_cert_pem and connection.client_key_pem:
        user["client-certificate-data"] = encoded(connection.client_cert_pem)
        user["client-key-data"] = encoded(connection.client_key_pem)
    context_name = connection.context or name
    context = {"cluster": name, "user": name}
    if connection.namespace:
        context["namespace"] = connection.namespace
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": context_name, "context": context}],
        "current-context": context_name,
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class _Kubeconfig:
    current: str | None
    contexts: dict[str, dict[str, Any]]
    clusters: dict[str, dict[str, Any]]
    users: dict[str, dict[str, Any]]


def _read(text: str | bytes) -> _Kubeconfig:
    document = load_document(text)
    current = document.get("current-context")
    return _Kubeconfig(
        current=str(current) if current not in (None, "") else None,
        contexts=_named(document, "contexts", "context"),
        clusters=_named(document, "clusters", "cluster"),
        users=_named(document, "users", "user"),
    )


def _choice(kubeconfig: _Kubeconfig, name: str, *, allow_insecure: bool, reach: Reach) -> ContextChoice:
    body = kubeconfig.contexts[name]
    cluster = kubeconfig.clusters.get(str(body.get("cluster")), {})
    refusal: KubeconfigRefused | None = None
    try:
        _connect(kubeconfig, name, allow_insecure=allow_insecure, reach=reach)
    except KubeconfigRefused as error:
        refusal = error
    return ContextChoice(
        name=name,
        cluster=str(body.get("cluster") or ""),
        user=str(body.get("user") or ""),
        server=str(cluster.get("server") or ""),
        namespace=str(body["namespace"]) if body.get("namespace") else None,
        current=name == kubeconfig.current,
        problem_id=refusal.problem_id if refusal else None,
        problem=refusal.text if refusal else None,
    )


def _connect(kubeconfig: _Kubeconfig, name: str, *, allow_insecure: bool, reach: Reach) -> Connection:
    body = kubeconfig.contexts[name]
    cluster = _referred(kubeconfig.clusters, "cluster", body, name)
    user = _referred(kubeconfig.users, "user", body, name)
    insecure = _insecure(cluster, allowed=allow_insecure)
    token, certificate, key = _credentials(user)
    return Connection(
        server=checked_server_url(cluster.get("server"), reach),
        ca_pem=None if insecure else checked_ca(inline_pem(cluster, "certificate-authority")),
        token=token,
        client_cert_pem=certificate,
        client_key_pem=key,
        tls_server_name=_text_or_none(cluster, "tls-server-name"),
        insecure=insecure,
        proxy_url=checked_proxy_url(cluster.get("proxy-url"), reach),
        namespace=checked_namespace(body.get("namespace")),
        context=name,
        reach=reach,
    )


def _pick_context(kubeconfig: _Kubeconfig, wanted: str | None) -> str:
    known = kubeconfig.contexts
    if not known:
        raise KubeconfigRefused("kubeconfig-no-context", "The kubeconfig has no context.")
    name = wanted or kubeconfig.current or (next(iter(known)) if len(known) == 1 else None)
    if not name:
        raise KubeconfigRefused(
            "kubeconfig-no-context",
            "The kubeconfig has several contexts and no current one: choose one.",
            contexts=sorted(known),
        )
    if name not in known:
        raise KubeconfigRefused(
            "kubeconfig-unknown-context",
            f"The kubeconfig has no context named “{name}”.",
            context=name,
            contexts=sorted(known),
        )
    return name


def _referred(known: Mapping[str, dict[str, Any]], what: str, context_body: Mapping[str, Any], context: str) -> dict[str, Any]:
    found = known.get(str(context_body.get(what))) if context_body.get(what) else None
    if found is None:
        missing = "kubeconfig-no-server" if what == "cluster" else "kubeconfig-no-credentials"
        raise KubeconfigRefused(missing, f"The context “{context}” names a {what} that the kubeconfig does not have.", context=context)
    return found


def _named(document: Mapping[str, Any], plural: str, singular: str) -> dict[str, dict[str, Any]]:
    named: dict[str, dict[str, Any]] = {}
    for entry in _entries(document, plural):
        name, body = entry.get("name"), entry.get(singular)
        if not isinstance(name, str | int | float) or name == "":
            raise KubeconfigRefused("kubeconfig-not-a-kubeconfig", f"An entry of “{plural}” has no name.")
        if body is not None and not isinstance(body, dict):
            raise KubeconfigRefused("kubeconfig-not-a-kubeconfig", f"“{plural}” → “{name}” is not a mapping.")
        named.setdefault(str(name), body or {})  # kubectl keeps the first of two
    return named


def _entries(document: Mapping[str, Any], plural: str) -> list[dict[str, Any]]:
    entries = document.get(plural)
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise KubeconfigRefused("kubeconfig-not-a-kubeconfig", f"“{plural}” is not a list of mappings.")
    return entries


def _insecure(cluster: Mapping[str, Any], *, allowed: bool) -> bool:
    value = cluster.get("insecure-skip-tls-verify")
    if value in (None, False):
        return False
    if not allowed:
        raise KubeconfigRefused("kubeconfig-insecure-tls", "The kubeconfig switches off the check of the server's certificate.")
    return True


def _credentials(user: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    if user.get("exec") is not None:
        command = user["exec"].get("command") if isinstance(user["exec"], dict) else None
        raise KubeconfigRefused(
            "kubeconfig-exec-plugin",
            f"The kubeconfig signs in by running a program ({command or 'unnamed'}), which this studio never does.",
            command=str(command or ""),
        )
    if user.get("auth-provider") is not None:
        provider = user["auth-provider"].get("name") if isinstance(user["auth-provider"], dict) else None
        raise KubeconfigRefused(
            "kubeconfig-auth-provider",
            f"The kubeconfig signs in through the auth provider “{provider or 'unnamed'}”, which Kubernetes removed.",
            provider=str(provider or ""),
        )
    if user.get("tokenFile"):
        raise KubeconfigRefused(
            "kubeconfig-file-path",
            "The kubeconfig points to a file (tokenFile) instead of holding it.",
            key="tokenFile",
        )
    if any(user.get(key) for key in ("as", "as-uid", "as-groups", "as-user-extra")):
        raise KubeconfigRefused("kubeconfig-impersonation", "The kubeconfig acts as somebody else (impersonation).")
    certificate, key = inline_pem(user, "client-certificate"), inline_pem(user, "client-key")
    token = checked_token(user.get("token"))
    if certificate or key:
        certificate, key = checked_client_certificate(certificate, key)
    if token or certificate:
        return token, certificate, key
    if user.get("username") or user.get("password"):
        raise KubeconfigRefused("kubeconfig-basic-auth", "The kubeconfig signs in with a user name and password, which Kubernetes removed.")
    raise KubeconfigRefused("kubeconfig-no-credentials", "The kubeconfig's user has neither a token nor a client certificate.")


def _text_or_none(mapping: Mapping[str, Any], key: str) -> str | None:
    value = mapping.get(key)
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > 253:
        raise KubeconfigRefused("kubeconfig-bad-server-url", f"“{key}” is not a host name.", key=key)
    return value
