"""What lies in a cluster in the place of its router's certificate."""

import base64
from typing import Any

from compute.kube import kinds
from compute.network.certificates import describe
from compute.network.models import RouterCertificate
from tests.compute.network.pki import Family

PLACE, NAME = "mooring-system", "mooring-router-tls"


def secret(client: Any, name: str = NAME) -> dict[str, str]:
    found = client.get(kinds.SECRET, name, PLACE)
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()} | {"type": found["type"]}


def put(
    client: Any, made: Family, *, name: str = NAME, type: str = "kubernetes.io/tls", keys: tuple[str, str] = ("tls.crt", "tls.key")
) -> None:
    data = {keys[0]: made.chain, keys[1]: made.leaf.key}
    client.delete(kinds.SECRET, name, PLACE)
    client.create(
        kinds.SECRET,
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": PLACE},
            "type": type,
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        },
        PLACE,
    )


def row() -> RouterCertificate:
    return RouterCertificate.objects.select_related("cluster", "set_by").get()


def make_fingerprint(made: Family) -> str:
    return str(describe(made.leaf.certificate)["fingerprint"])
