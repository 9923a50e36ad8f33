from __future__ import annotations

from sandbox import environment


def test_a_studio_is_told_of_helm_the_charts_and_the_images() -> None:
    status = {
        "programs": {"helm": "/cache/helm"},
        "extension": {"charts": "/cache/charts", "images": {"envoy-gateway": "r/envoy-gateway:1", "envoy": "r/envoy:2"}},
    }
    assert environment.of_studio(status) == {
        "MOORING_HELM": "/cache/helm",
        "MOORING_EXTENSION_CHARTS": "/cache/charts",
        "MOORING_EXTENSION_IMAGES": "envoy-gateway=r/envoy-gateway:1,envoy=r/envoy:2",
    }


def test_what_is_not_there_is_not_told() -> None:
    assert environment.of_studio({}) == {}
    assert environment.of_studio({"programs": {}, "extension": {"charts": None, "images": {}}}) == {}
