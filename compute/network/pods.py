"""What a cluster's network asks of a pod: variables, a file of authorities, and where the secrets among them stand.

Pure: a pod's objects are plain dictionaries. A value that holds a password goes into the pod's own Secret and is
referred to from there; everything else is written out, so that whoever looks at the pod sees it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

CA_FOLDER = "/mooring-ca"
CA_FILE = f"{CA_FOLDER}/ca.pem"
CA_KEY = "ca.pem"
# The variables by which OpenSSL and Go, requests, curl and Node find authorities.
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True)
class PodNetwork:
    """How a pod of a cluster reaches the world; empty where nothing is set.

    `environment` has HTTP_PROXY, HTTPS_PROXY and NO_PROXY in both cases, and CA_VARIABLES; `secret` names those of
    them whose value holds a password. `ca_bundle` is PEM, to be mounted at CA_FILE.
    """

    environment: dict[str, str] = field(default_factory=dict)
    ca_bundle: str = ""
    secret: frozenset[str] = frozenset()


def secret_data(network: PodNetwork) -> dict[str, str]:
    """Return what the pod's Secret holds for it, in clear: to be encoded by whoever renders the Secret."""
    data = {_key(name): network.environment[name] for name in sorted(network.secret)}
    return data | ({CA_KEY: network.ca_bundle} if network.ca_bundle else {})


def variables(network: PodNetwork, secret_name: str, given: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the entries of a container's `env`; those that the person gave in either case are left to them."""
    theirs = {name.upper() for name in given}
    entries: list[dict[str, Any]] = []
    for name, value in sorted(network.environment.items()):
        if name.upper() in theirs:
            continue
        if name in network.secret:
            # Optional: settings may have changed between the pod's object and its Secret, and the pod starts nonetheless.
            source = {"secretKeyRef": {"name": secret_name, "key": _key(name), "optional": True}}
            entries.append({"name": name, "valueFrom": source})
        else:
            entries.append({"name": name, "value": value})
    return entries


def mounts(network: PodNetwork) -> list[dict[str, Any]]:
    """Return the `volumeMounts` of a container: the file of authorities."""
    return [{"name": "network-ca", "mountPath": CA_FOLDER, "readOnly": True}] if network.ca_bundle else []


def volumes(network: PodNetwork, secret_name: str) -> list[dict[str, Any]]:
    """Return the pod's `volumes`: the file of authorities and nothing else of the Secret."""
    if not network.ca_bundle:
        return []
    source = {"secretName": secret_name, "items": [{"key": CA_KEY, "path": CA_KEY}], "defaultMode": 0o444, "optional": True}
    return [{"name": "network-ca", "secret": source}]


def _key(name: str) -> str:
    return f"network.{name}"
