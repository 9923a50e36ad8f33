"""What the chart of the studio renders, and what it refuses to: asked of Helm, without a cluster."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from setup.chart import files
from studio import environment as env
from tests.deploy.conftest import CHART, NAMESPACE, Objects, Refused, containers, environment, of, pods
from tests.test_documents import VARIABLE

Render = Callable[..., Objects]
EXAMPLES = ("sqlite", "trial", "production")
# After the sandbox is up, which has Helm: building it takes minutes where no cache has it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_pod_is_within_the_level_restricted_and_writes_to_volumes_alone(render: Render, example: str) -> None:
    for component, pod in pods(render(example)).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] == 1000, component
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, component
        assert pod["enableServiceLinks"] is False, f"{component}: a Service could set the studio's own variables"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert all(not {"hostPath"} & set(volume) for volume in pod["volumes"])
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, container["name"]
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"], container["name"]
            assert {mount["name"] for mount in container["volumeMounts"]} <= _volumes(pod, render(example)), container["name"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_part_has_probes_and_none_asks_the_database_whether_to_live(render: Render, example: str) -> None:
    for pod in pods(render(example)).values():
        for container in pod["containers"]:
            assert container["livenessProbe"], container["name"]
    serving = next(each for pod in pods(render(example)).values() for each in pod["containers"] if each["name"] == "web")
    assert serving["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert serving["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_web_worker_and_beat_are_deployments_of_their_own_with_a_database_for_many(render: Render) -> None:
    made = {each["metadata"]["name"]: each["spec"] for each in of(render("production"), "Deployment")}
    assert {name: spec["replicas"] for name, spec in made.items()} == {"mooring-web": 3, "mooring-worker": 3, "mooring-beat": 1}
    assert made["mooring-beat"]["strategy"] == {"type": "Recreate"}
    budgets = {each["metadata"]["name"]: each["spec"]["maxUnavailable"] for each in of(render("production"), "PodDisruptionBudget")}
    assert budgets == {"mooring-web": 1, "mooring-worker": 1}
    spread = made["mooring-web"]["template"]["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


def test_with_sqlite_exactly_one_pod_has_the_database_open(render: Render) -> None:
    made = render("sqlite")
    (studio,) = of(made, "Deployment")
    assert (studio["spec"]["replicas"], studio["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert [each["name"] for each in studio["spec"]["template"]["spec"]["containers"]] == ["web", "worker", "beat"]
    assert not of(made, "PodDisruptionBudget")
    assert all("DATABASE_URL_FILE" not in environment(each) for each in containers(pods(made)["studio"]))


REFUSED = {
    "two pods on one file": ("sqlite", "web.replicas=2"),
    "two workers on one file": ("sqlite", "worker.replicas=2"),
    "no image": ("trial", "image="),
    "no database": ("production", "database.secret.name="),
    "a database of another kind": ("production", "database.url=mysql://a:b@c/d"),
    "no image of the own Redis": ("trial", "redis.image="),
    "no Redis": ("production", "redis.secret.name="),
    "no replica": ("production", "web.replicas=0"),
    "a volume of one pod for many": ("trial", "storage.accessMode=ReadWriteOncePod"),
    "a size that is none": ("trial", "storage.size=large"),
    "an address with a path": ("production", "url=https://studio.example.com/studio"),
    "an Ingress without an address": ("sqlite", "url="),
    "an Ingress and a Gateway": ("production", "ingress.enabled=true"),
    "a route that hangs on nothing": ("production", "gateway.parentRefs=null"),
    "rights in namespaces of a cluster that is not used": ("production", "rbac.cluster=false"),
    "a namespace of Kubernetes": ("trial", "rbac.namespaces={kube-system}"),
    "a name that no namespace has": ("trial", "rbac.namespaces={team.a}"),
    "a setting that the chart decides": ("trial", "settings.MOORING_DATA=/elsewhere"),
    "the file of a setting that the chart decides": ("trial", "settings.MOORING_SECRET_KEY_FILE=/elsewhere"),
    "a value that is mistyped": ("trial", "replica=2"),
    "a value that is mistyped further down": ("trial", "web.replica=2"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_values_that_do_not_fit_are_refused_before_anything_is_installed(render: Render, why: str) -> None:
    example, setting = REFUSED[why]
    with pytest.raises(Refused, match=r"schema|values don't meet"):
        render(example, setting)


def test_the_rights_are_those_that_the_studio_checks_for_rule_by_rule_with_their_reasons() -> None:
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, f"run: python setup/chart.py ({path.name})"
    assert {path.name for path in (CHART / "rights").iterdir()} == {path.name for path in files() if path.parent.name == "rights"}


def test_jobs_run_in_the_namespaces_that_are_named_and_nowhere_else(render: Render) -> None:
    made = render("production", "rbac.extension=false")
    wide = f"mooring-{NAMESPACE}"
    assert {each["metadata"]["name"]: each["rules"] for each in of(made, "ClusterRole")} == {
        wide: _rights("cluster"),
        f"{wide}-compute": _rights("compute"),
    }
    assert [each["roleRef"]["name"] for each in of(made, "ClusterRoleBinding")] == [wide]
    assert {each["metadata"]["namespace"] for each in of(made, "RoleBinding")} == {"mooring-system", "team-a", "team-b"}
    subjects = [each["subjects"] for each in [*of(made, "ClusterRoleBinding"), *of(made, "RoleBinding")]]
    assert subjects == [[{"kind": "ServiceAccount", "name": "mooring", "namespace": NAMESPACE}]] * 4
    assert not of(made, "Role")


def test_more_rights_are_asked_for_and_no_rule_has_a_star(render: Render) -> None:
    made = render("trial", "rbac.makeNamespaces=true", "rbac.extension=true")
    wide = f"mooring-{NAMESPACE}"
    (cluster,) = of(made, "ClusterRole", wide)
    assert cluster["rules"] == _rights("cluster") + _rights("namespaces")
    assert f"{wide}-compute" in {each["metadata"]["name"] for each in of(made, "ClusterRoleBinding")}
    (extend,) = of(made, "Role")
    assert extend["rules"] == _rights("extension") and extend["metadata"]["namespace"] == "mooring-system"
    for role in [*of(made, "ClusterRole"), *of(made, "Role")]:
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], role["metadata"]["name"]


def test_without_its_own_cluster_no_pod_has_a_token_and_there_is_no_role(render: Render) -> None:
    made = render("sqlite", "rbac.cluster=false")
    assert not [each for each in made if each["kind"] in ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", "Namespace")]
    assert all(pod["automountServiceAccountToken"] is False for pod in pods(made).values())
    held = {name: pod["automountServiceAccountToken"] for name, pod in pods(render("trial")).items()}
    assert held == {"web": True, "worker": True, "beat": False, "redis": False, "postgresql": False}


def test_the_keys_can_be_used_are_new_each_time_and_are_never_changed(render: Render) -> None:
    kept, other = (_secret(render("trial", f"podAnnotations.of={which}"), "mooring-keys") for which in ("one", "other"))
    assert kept["immutable"] is True and kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    key = _value(kept, "encryption-keys")
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"kept")) == b"kept" and len(_value(kept, "secret-key")) == 64
    assert key != _value(other, "encryption-keys")
    assert not of(render("production"), "Secret", "mooring-keys")


def test_nobody_guesses_what_the_chart_makes_and_urls_lead_to_its_own_servers(render: Render) -> None:
    made = render("trial")
    url = env.database(_value(_secret(made, "mooring-database"), "url"), CHART)
    assert (url["USER"], url["HOST"], url["NAME"]) == ("mooring", "mooring-postgresql", "mooring")
    assert url["PASSWORD"] == _value(_secret(made, "mooring-database"), "password") and len(str(url["PASSWORD"])) == 32
    secret = _secret(made, "mooring-redis")
    password = _value(secret, "password")
    assert len(password) == 32 and _value(secret, "url") == f"redis://:{password}@mooring-redis:6379/0"
    assert _value(secret, "redis.conf").startswith(f"requirepass {password}\n")
    assert len(_value(_secret(made, "mooring-administrator"), "password")) == 24


def test_secrets_reach_a_process_as_files_and_only_where_they_are_needed(render: Render) -> None:
    made = pods(render("production"))
    assert "redis://" not in json.dumps(made) and "postgresql://" not in json.dumps(made)
    (beat,) = made["beat"]["containers"]
    assert {each["name"] for each in made["beat"]["volumes"]} == {"redis", "beat"}
    assert "envFrom" not in beat and "MOORING_ENCRYPTION_KEYS_FILE" not in environment(beat)
    (web,) = made["web"]["containers"]
    assert "administrator" not in {each["name"] for each in web["volumeMounts"]}
    assert web["envFrom"] == [{"secretRef": {"name": "mooring-settings"}}]


def test_every_pod_brings_the_database_up_to_date_before_it_serves(render: Render) -> None:
    for component in ("web", "worker"):
        (prepare,) = pods(render("production"))[component]["initContainers"]
        assert prepare["command"] == ["python3", "manage.py", "mooring_first_start", "--migrate", "--no-token", "--wait=300"]


def test_an_https_address_has_cookies_and_origins_of_its_own(render: Render) -> None:
    (web,) = pods(render("production"))["web"]["containers"]
    told = environment(web)
    assert told["MOORING_TRUSTED_ORIGINS"] == told["MOORING_PUBLIC_URL"] == "https://studio.example.com"
    assert (told["MOORING_SECURE_COOKIES"], told["MOORING_BEHIND_TLS_PROXY"], told["MOORING_PROXY_ADDRESSES"]) == ("true", "true", "10.40.0.0/16")
    assert told["MOORING_POD_URL"] == f"http://mooring.{NAMESPACE}.svc"
    (plain,) = pods(render("trial"))["web"]["containers"]
    assert not {"MOORING_SECURE_COOKIES", "MOORING_TRUSTED_ORIGINS", "MOORING_PUBLIC_URL"} & set(environment(plain))


def test_people_come_by_an_ingress_or_by_a_gateway(render: Render) -> None:
    (ingress,) = of(render("sqlite"), "Ingress")
    (rule,) = ingress["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert (rule["host"], backend) == ("studio.example.com", {"name": "mooring", "port": {"name": "http"}})
    assert ingress["spec"]["tls"] == [{"hosts": ["studio.example.com"], "secretName": "studio-tls"}]
    (route,) = of(render("production"), "HTTPRoute")
    assert route["spec"]["hostnames"] == ["studio.example.com"]
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways", "sectionName": "https"}]
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "0s"}, "a live log would be cut off"


def test_only_the_studios_own_pods_reach_redis_and_postgresql(render: Render) -> None:
    made = {each["metadata"]["name"]: each["spec"] for each in of(render("trial"), "NetworkPolicy")}
    assert made["mooring"] == {"podSelector": {"matchLabels": SELECTED}, "policyTypes": ["Ingress"]}
    for name, callers in (("redis", ["web", "worker", "beat", "studio"]), ("postgresql", ["web", "worker"])):
        policy = made[f"mooring-{name}"]
        assert policy["egress"] == [] and policy["policyTypes"] == ["Ingress", "Egress"]
        (rule,) = policy["ingress"]
        (peer,) = rule["from"]
        assert rule["ports"] == [{"protocol": "TCP", "port": name}]
        assert peer["podSelector"]["matchLabels"] == SELECTED
        assert peer["podSelector"]["matchExpressions"] == [{"key": "app.kubernetes.io/component", "operator": "In", "values": callers}]
    assert made["mooring-web"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}]}]


def test_files_are_on_one_claim_that_is_kept_and_one_for_one_node_keeps_its_pods_together(render: Render) -> None:
    made = render("trial")
    (claim,) = of(made, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"] and claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    for component in ("web", "worker"):
        (term,) = pods(made)[component]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert {"name": "files", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}} in pods(made)[component]["volumes"]
    assert "affinity" not in pods(render("production"))["web"]


def test_every_label_that_selects_is_on_the_pods_that_are_meant(render: Render) -> None:
    for example in EXAMPLES:
        labels = [each["spec"]["template"]["metadata"]["labels"] for each in render(example) if each["kind"] in ("Deployment", "StatefulSet")]
        for each in render(example):
            chosen = _selector(each)
            if chosen:
                matching = [one for one in labels if chosen.items() <= one.items()]
                assert len(matching) == 1, f"{example}: {each['kind']} {each['metadata']['name']} selects {len(matching)}"


def test_every_variable_that_the_chart_sets_is_one_of_the_studio() -> None:
    known = {name for path in (CHART.parents[2] / "studio").rglob("*.py") for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    named = _variables()
    assert {name for name in named if name not in known and name.removesuffix("_FILE") not in known} == set()


def test_no_variable_that_the_chart_sets_is_taken_as_a_setting_too() -> None:
    allowed = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]["settings"]["propertyNames"]
    ours = {name.removesuffix("_FILE") for name in _variables()}
    taken = [name for one in ours for name in (one, f"{one}_FILE") if re.search(allowed["pattern"], name)]
    assert len(taken) > 20 and [name for name in taken if not re.search(allowed["not"]["pattern"], name)] == []


SELECTED = {"app.kubernetes.io/name": "mooring", "app.kubernetes.io/instance": "mooring"}


def _selector(each: dict[str, Any]) -> dict[str, str]:
    spec = each.get("spec", {})
    if each["kind"] == "Service":
        return dict(spec["selector"])
    if each["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        return dict(spec["selector"]["matchLabels"])
    return {}


def _volumes(pod: dict[str, Any], objects: Objects) -> set[str]:
    claimed = {each["metadata"]["name"] for one in of(objects, "StatefulSet") for each in one["spec"].get("volumeClaimTemplates", [])}
    return {volume["name"] for volume in pod["volumes"]} | claimed


def _variables() -> set[str]:
    """Return the names of all variables that the chart's own templates set."""
    text = "".join(path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir())
    return set(re.findall(r"name: (MOORING_[A-Z_]+|DATABASE_URL_FILE|REDIS_URL_FILE)", text))


def _rights(name: str) -> Any:
    return yaml.safe_load((CHART / "rights" / f"{name}.yaml").read_text(encoding="utf-8"))


def _secret(objects: Objects, name: str) -> dict[str, Any]:
    (found,) = of(objects, "Secret", name)
    return found


def _value(secret: dict[str, Any], key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()
