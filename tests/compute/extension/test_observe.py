"""What the objects of the extension say, and where the router answers."""

from typing import Any

import pytest

from compute.extension.observe import FAILED, MISSING, READY, WAITING, locate, made, observe, pod_reason, worst
from compute.extension.wanted import Wanted

Object = dict[str, Any]


def rendered(kind: str, name: str = "x") -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "mooring-system"}}


def found(kind: str, status: Object, spec: Object | None = None, generation: int = 1) -> Object:
    return {"kind": kind, "metadata": {"name": "x", "generation": generation}, "spec": spec or {}, "status": status}


def conditions(**named: Any) -> list[Object]:
    return [
        {"type": kind, "status": "True" if value is True else "False", "reason": value, "message": "why", "observedGeneration": 1}
        for kind, value in named.items()
    ]


def test_what_is_not_there_is_missing() -> None:
    assert observe(rendered("Gateway"), None).state == MISSING


def test_a_deployment_is_ready_when_its_new_pods_are_and_the_old_ones_are_gone() -> None:
    spec = {"replicas": 2}
    done = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    assert observe(rendered("Deployment"), found("Deployment", done, spec)).state == READY
    assert observe(rendered("Deployment"), found("Deployment", done, spec, generation=2)).state == WAITING
    assert observe(rendered("Deployment"), found("Deployment", done | {"replicas": 3}, spec)).state == WAITING


def test_a_deployment_says_what_its_pods_wait_for() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}, "name": "envoy"}
    pod = {"metadata": {"name": "p"}, "status": {"phase": "Pending", "containerStatuses": [waiting]}}
    seen = observe(rendered("Deployment"), found("Deployment", {"observedGeneration": 1}, {"replicas": 1}), [pod])
    assert seen.state == FAILED and "ImagePullBackOff (envoy): no such image" in seen.text


def test_a_pod_without_a_node_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    assert pod_reason({"status": {"phase": "Pending", "conditions": [condition]}}) == (WAITING, "Not scheduled: 0/1 nodes are available")


def test_a_gateway_waits_for_its_pods_and_fails_on_a_missing_certificate() -> None:
    pending = {"conditions": conditions(Accepted=True, Programmed="NoResources")}
    assert observe(rendered("Gateway"), found("Gateway", pending)).state == WAITING
    listener = {"name": "https", "conditions": conditions(Accepted=True, ResolvedRefs="InvalidCertificateRef", Programmed=True)}
    broken = {"conditions": conditions(Accepted=True, Programmed=True), "listeners": [listener]}
    seen = observe(rendered("Gateway"), found("Gateway", broken))
    assert seen.state == FAILED and "Listener https: ResolvedRefs: InvalidCertificateRef" in seen.text


def test_conditions_of_an_earlier_generation_do_not_count() -> None:
    status = {"conditions": conditions(Accepted=True, Programmed=True)}
    assert observe(rendered("Gateway"), found("Gateway", status, generation=2)).state == WAITING


def test_a_policy_that_nobody_has_looked_at_waits() -> None:
    assert observe(rendered("SecurityPolicy"), found("SecurityPolicy", {})).state == WAITING
    accepted = {"ancestors": [{"conditions": conditions(Accepted=True)}]}
    assert observe(rendered("SecurityPolicy"), found("SecurityPolicy", accepted)).state == READY


PROXY = {
    "kind": "EnvoyProxy",
    "metadata": {"name": "mooring-router", "namespace": "mooring-system"},
    "spec": {
        "provider": {"kubernetes": {
            "envoyDeployment": {"name": "mooring-router", "replicas": 3, "pod": {"nodeSelector": {"a": "b"}}},
            "envoyService": {"name": "mooring-router", "type": "NodePort"},
        }}
    },
}  # fmt: skip
GATEWAY = {"kind": "Gateway", "metadata": {"name": "mooring-router"}, "spec": {"listeners": [{"port": 443}]}}


def test_what_envoy_gateway_makes_is_ready_only_when_it_is_as_asked() -> None:
    deployment, service = made([PROXY, GATEWAY])
    old = found("Service", {}, {"type": "ClusterIP", "ports": [{"port": 443}]})
    assert observe(service, old).text == "Envoy Gateway has not changed its type yet"
    new = found("Service", {}, {"type": "NodePort", "ports": [{"port": 443, "nodePort": 30443}]})
    assert observe(service, new).state == READY
    done = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    assert observe(deployment, found("Deployment", done, {"replicas": 3})).text == "Envoy Gateway has not changed its nodeSelector yet"
    pod = {"template": {"spec": {"nodeSelector": {"a": "b"}}}}
    assert observe(deployment, found("Deployment", done, {"replicas": 3, **pod})).state == READY


def test_the_worst_is_told_first() -> None:
    rows = [
        {"kind": "A", "name": "a", "state": "pending", "text": "later"},
        {"kind": "B", "name": "b", "state": "failed", "text": "broken"},
    ]
    assert worst(rows) == (FAILED, "B b: broken")
    assert worst([]) == (READY, "")


def service(kind: str, port: int, node_port: int = 0, ingress: list[Object] | None = None) -> Object:
    return {
        "metadata": {"name": "mooring-router", "namespace": "mooring-system"},
        "spec": {"type": kind, "ports": [{"port": port, "nodePort": node_port}]},
        "status": {"loadBalancer": {"ingress": ingress or []}},
    }


NODES = [
    {"status": {"conditions": [{"type": "Ready", "status": "False"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}},
    {"status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "Hostname", "address": "n2"},
                                                                                   {"type": "InternalIP", "address": "10.0.0.2"}]}},
]  # fmt: skip
TLS = Wanted(enable_inference=True, ssl_cname="ml.example.com", service_type="nodePort")
HTTP = Wanted(enable_inference=True, allow_insecure=True, service_type="nodePort")


@pytest.mark.parametrize(
    ("wanted", "service", "base_url", "address"),
    [
        (TLS, service("NodePort", 443, 30443), "https://ml.example.com:30443", "10.0.0.2"),
        (HTTP, service("NodePort", 80, 30080), "http://10.0.0.2:30080", "10.0.0.2"),
        (TLS, service("LoadBalancer", 443, ingress=[{"ip": "192.0.2.7"}]), "https://ml.example.com", "192.0.2.7"),
        (HTTP, service("LoadBalancer", 80, ingress=[{"hostname": "lb.example"}]), "http://lb.example", "lb.example"),
        (HTTP, service("LoadBalancer", 80, ingress=[{"ip": "2001:db8::1"}]), "http://[2001:db8::1]", "2001:db8::1"),
        (TLS, service("ClusterIP", 443), "https://ml.example.com", "mooring-router.mooring-system.svc"),
    ],
)  # fmt: skip
def test_the_router_answers_where_its_service_says(wanted: Wanted, service: Object, base_url: str, address: str) -> None:
    place = locate(wanted, service, NODES)
    assert (place["base_url"], place["address"]) == (base_url, address)


def test_why_the_address_is_not_known_is_told() -> None:
    assert "not there yet" in locate(TLS, None, NODES)["reason"]
    waiting = locate(TLS, service("LoadBalancer", 443), NODES)
    assert waiting["problem_id"] == "extension-no-address" and "base_url" not in waiting
    assert "No ready node" in locate(TLS, service("NodePort", 443, 30443), [])["reason"]


@pytest.mark.parametrize("place", ["1.2.3.4; id #", "$(id).example", "lb.example' -o x '", "fe80::1%;id", 'x"); import os', "a\nb", "-K/etc/passwd", ""])
def test_a_cluster_puts_no_command_where_people_copy_one(place: str) -> None:
    for row in ({"ip": place}, {"hostname": place}):
        told = locate(HTTP, service("LoadBalancer", 80, ingress=[row]), NODES)
        assert told["problem_id"] == "extension-no-address" and "address" not in told
    ready = [{"type": "Ready", "status": "True"}]
    nodes = [{"status": {"conditions": ready, "addresses": [{"type": "InternalIP", "address": place}]}}]
    assert "No ready node" in locate(HTTP, service("NodePort", 80, 30080), nodes)["reason"]
    strange = service("ClusterIP", 80)
    strange["metadata"]["name"] = place or "a b"
    assert "base_url" not in locate(HTTP, strange, NODES)
