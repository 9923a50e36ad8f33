"""How simulated nodes and pods go through their lives, in the simulator's own configuration language.

See https://kwok.sigs.k8s.io/docs/user/stages-configuration/ for the fields. A pod of a Job seems to run for a few
seconds and then to succeed; every message says that nothing ran.
"""

from __future__ import annotations

from typing import Any

import yaml

JOB_SECONDS = 3
SAID = "simulated: no container ran"

NODE_STATUS = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
   message: "simulated node", lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ .metadata.name | Quote }}}
phase: Running
"""

POD_RUNNING = """
{{ $now := Now }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", message: "SAID", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  {{ if eq .restartPolicy "Always" }}
  started: true
  state: {running: {startedAt: {{ $now | Quote }}}}
  {{ else }}
  state: {terminated: {exitCode: 0, reason: Completed, message: "SAID",
    startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
  {{ end }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
{{ $ips := PodIPsWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" )
  ( or .metadata.name "" ) ( or .metadata.namespace "" ) }}
{{ with $ips }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
hostIP: {{ NodeIP | Quote }}
phase: Running
startTime: {{ $now | Quote }}
"""

POD_SUCCEEDED = """
{{ $now := Now }}
{{ $root := . }}
initContainerStatuses:
{{ range $index, $one := .spec.initContainers }}
- name: {{ $one.name | Quote }}
  image: {{ $one.image | Quote }}
  imageID: ""
  ready: false
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, message: "SAID",
    startedAt: {{ $root.status.startTime | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
containerStatuses:
{{ range $index, $one := .spec.containers }}
- name: {{ $one.name | Quote }}
  image: {{ $one.image | Quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, message: "SAID",
    startedAt: {{ $root.status.startTime | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
phase: Succeeded
message: "SAID"
"""


def render() -> str:
    """Return the simulator's configuration."""
    ready = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    alive = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    stages = [
        _stage("node-ready", "Node", [{"key": ready, "operator": "NotIn", "values": ["True"]}], NODE_STATUS),
        _stage("node-heartbeat", "Node", [{"key": ready, "operator": "In", "values": ["True"]}], NODE_STATUS, seconds=120),
        _stage("pod-running", "Pod", [alive, _phase("Pending")], POD_RUNNING),
        _stage(
            "pod-succeeded",
            "Pod",
            [
                alive,
                _phase("Running"),
                {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]},
            ],
            POD_SUCCEEDED,
            seconds=JOB_SECONDS,
        ),
    ]
    gone = _stage("pod-deleted", "Pod", [{**alive, "operator": "Exists"}], "")
    gone["spec"]["next"] = {"delete": True}
    stages.append(gone)
    return yaml.safe_dump_all(stages, sort_keys=False)


def _phase(phase: str) -> dict[str, Any]:
    return {"key": ".status.phase", "operator": "In", "values": [phase]}


def _stage(name: str, kind: str, expressions: list[dict[str, Any]], status: str, *, seconds: int = 0) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": expressions},
        "next": {"statusTemplate": status.replace("SAID", SAID)},
    }
    if seconds:
        spec["delay"] = {"durationMilliseconds": seconds * 1000}
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}
