"""From settings to the values of the chart: pure."""

from collections.abc import Mapping
from typing import Any

from compute.extension.wanted import SERVICE_TYPES, Wanted
from compute.router import TLS_SECRET


def chart_values(wanted: Wanted, images: Mapping[str, str], *, studio: str) -> dict[str, Any]:
    """Return the values with which the chart makes what the settings ask for.

    `images` names images under `envoy-gateway` and `envoy`; what is left out is the charts' own.
    """
    placed: dict[str, Any] = {}
    if wanted.node_selector:
        placed["nodeSelector"] = wanted.node_selector
    if wanted.tolerations:
        placed["tolerations"] = wanted.tolerations
    values: dict[str, Any] = {
        "studio": studio,
        "settings": wanted.as_settings(),
        **placed,
        "router": {
            "enabled": wanted.enable_inference,
            "highlyAvailable": wanted.highly_available,
            "serviceType": SERVICE_TYPES.get(wanted.service_type, "ClusterIP"),
            "image": images.get("envoy", ""),
            "tls": {"enabled": wanted.has_tls, "secret": wanted.ssl_secret or TLS_SECRET},
            "http": wanted.has_http,
        },
        # The labels of the dependency's objects say whose they are, too.
        "envoy-gateway": {"commonLabels": {"mooring.dev/studio": studio}},
    }
    if placed:
        values["envoy-gateway"] |= {"deployment": {"pod": placed}, "certgen": {"job": placed}}
    if images.get("envoy-gateway"):
        image = {"image": images["envoy-gateway"], "pullPolicy": "IfNotPresent"}
        values["global"] = {"images": {"envoyGateway": image}}
    return values
