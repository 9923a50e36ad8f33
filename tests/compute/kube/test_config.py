"""What a stranger's kubeconfig may and may not do."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute.kube.config import (
    Connection,
    KubeconfigRefused,
    connection,
    contexts,
    in_cluster,
    render_kubeconfig,
)
from compute.kube.kubeconfig_parts import PROBLEM_IDS
from tests.fakekube.certs import Authority, shared_authority

CA = shared_authority().pem
ISSUED = shared_authority().client("anna")


class PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def dumped(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=PlainDumper, allow_unicode=True)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(*, cluster: Any = None, user: Any = None, **top: Any) -> str:
    whole_cluster = {"server": "https://10.0.0.1:6443", "certificate-authority-data": b64(CA), **(cluster or {})}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {key: value for key, value in whole_cluster.items() if value is not None}}],
        "users": [{"name": "u", "user": {"token": "abc"} if user is None else user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        "current-context": "x",
        **top,
    }
    return dumped({key: value for key, value in document.items() if value is not None})


def refusal(text: str | bytes, context: str | None = None) -> KubeconfigRefused:
    with pytest.raises(KubeconfigRefused) as caught:
        connection(text, context)
    assert caught.value.problem_id in PROBLEM_IDS
    return caught.value


def test_it_reads_a_token_kubeconfig() -> None:
    assert connection(kubeconfig()) == Connection(server="https://10.0.0.1:6443", ca_pem=CA, token="abc", namespace="team", context="x")


def test_it_reads_a_client_certificate_kubeconfig() -> None:
    user = {"client-certificate-data": b64(ISSUED.cert_pem), "client-key-data": b64(ISSUED.key_pem)}
    made = connection(kubeconfig(user=user))
    assert (made.client_cert_pem, made.client_key_pem) == (ISSUED.cert_pem, ISSUED.key_pem)


def test_it_keeps_secrets_out_of_the_repr() -> None:
    user = {
        "token": "sesame",
        "client-certificate-data": b64(ISSUED.cert_pem),
        "client-key-data": b64(ISSUED.key_pem),
    }
    written = repr(connection(kubeconfig(user=user, cluster={"proxy-url": "http://me:hidden@proxy:3128"})))
    assert "sesame" not in written
    assert "PRIVATE KEY" not in written
    assert "hidden" not in written


def test_it_keeps_the_path_of_a_server_behind_a_gateway() -> None:
    assert connection(kubeconfig(cluster={"server": "https://r.example/k8s/clusters/c-1/"})).server.endswith("/c-1")


def test_it_refuses_a_kubeconfig_with_an_exec_plugin() -> None:
    refused = refusal(kubeconfig(user={"exec": {"command": "aws", "args": ["eks"]}}))
    assert refused.problem_id == "kubeconfig-exec-plugin"
    assert refused.params["command"] == "aws"


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ({"auth-provider": {"name": "gcp"}}, "kubeconfig-auth-provider"),
        ({"tokenFile": "/etc/shadow"}, "kubeconfig-file-path"),
        ({"client-certificate": "/x.crt", "client-key": "/x.key"}, "kubeconfig-file-path"),
        ({"token": "t", "client-key": "/x.key"}, "kubeconfig-file-path"),
        ({"username": "admin", "password": "x"}, "kubeconfig-basic-auth"),
        ({"token": "t", "as": "system:admin"}, "kubeconfig-impersonation"),
        ({"token": "t", "exec": {}}, "kubeconfig-exec-plugin"),
        ({"token": "a\r\nX-Evil: 1"}, "kubeconfig-bad-token"),
        ({"token": "a b"}, "kubeconfig-bad-token"),
        ({"token": ["a"]}, "kubeconfig-bad-token"),
        ({}, "kubeconfig-no-credentials"),
        ({"client-certificate-data": b64(ISSUED.cert_pem)}, "kubeconfig-no-credentials"),
        (
            {"client-certificate-data": b64("x"), "client-key-data": b64(ISSUED.key_pem)},
            "kubeconfig-bad-certificate",
        ),
        ({"client-certificate-data": "%%%", "client-key-data": "%"}, "kubeconfig-bad-certificate"),
    ],
)
def test_it_refuses_credentials_it_will_not_use(user: dict[str, Any], problem: str) -> None:
    assert refusal(kubeconfig(user=user)).problem_id == problem


def test_it_refuses_a_key_that_belongs_to_another_certificate() -> None:
    other = Authority("other").client("eve")
    user = {"client-certificate-data": b64(ISSUED.cert_pem), "client-key-data": b64(other.key_pem)}
    assert refusal(kubeconfig(user=user)).problem_id == "kubeconfig-bad-certificate"


@pytest.mark.parametrize(
    "server",
    [
        "http://10.0.0.1:8080",
        "https://user:pw@10.0.0.1",
        "https://10.0.0.1/?x=1",
        "https://10.0.0.1/#x",
        "https://10.0.0.1/a/../b",
        "https://",
        "https://10.0.0.1:99999",
        "https://10.0.0.1:0",
        "https://exa mple",
        "https://exam\\ple",
        "file:///etc/passwd",
        "unix:///run/x.sock",
        "https://host\n.example",
        "10.0.0.1:6443",
        ["https://10.0.0.1"],
        "https://@10.0.0.1",
    ],
)
def test_it_refuses_a_bad_server_address(server: Any) -> None:
    assert refusal(kubeconfig(cluster={"server": server})).problem_id == "kubeconfig-bad-server-url"


def test_it_refuses_a_cluster_without_a_server() -> None:
    assert refusal(kubeconfig(cluster={"server": None})).problem_id == "kubeconfig-no-server"


def test_it_refuses_a_certificate_authority_in_a_file() -> None:
    refused = refusal(kubeconfig(cluster={"certificate-authority": "/etc/ca.crt"}))
    assert (refused.problem_id, refused.params["key"]) == ("kubeconfig-file-path", "certificate-authority")


def test_it_refuses_a_certificate_authority_that_is_none() -> None:
    text = kubeconfig(cluster={"certificate-authority-data": b64("hello")})
    assert refusal(text).problem_id == "kubeconfig-bad-certificate"


def test_it_refuses_insecure_tls_unless_allowed() -> None:
    text = kubeconfig(cluster={"insecure-skip-tls-verify": True})
    assert refusal(text).problem_id == "kubeconfig-insecure-tls"
    allowed = connection(text, allow_insecure=True)
    assert allowed.insecure
    assert allowed.ca_pem is None


def test_it_refuses_a_proxy_that_is_no_http_proxy() -> None:
    assert refusal(kubeconfig(cluster={"proxy-url": "socks5://p:1"})).problem_id == "kubeconfig-bad-proxy"


def test_it_refuses_a_namespace_that_is_no_name() -> None:
    contexts_ = [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "../kube-system"}}]
    assert refusal(kubeconfig(contexts=contexts_)).problem_id == "kubeconfig-bad-namespace"


def test_it_refuses_without_a_context() -> None:
    assert refusal(kubeconfig(contexts=[])).problem_id == "kubeconfig-no-context"


def test_it_asks_for_a_choice_between_several_contexts() -> None:
    entry = {"cluster": "c", "user": "u"}
    several = [{"name": "x", "context": entry}, {"name": "y", "context": entry}]
    text = kubeconfig(contexts=several, **{"current-context": None})
    refused = refusal(text)
    assert (refused.problem_id, refused.params["contexts"]) == ("kubeconfig-no-context", ["x", "y"])
    assert connection(text, "y").context == "y"


def test_it_takes_the_only_context_when_none_is_current() -> None:
    assert connection(kubeconfig(**{"current-context": None})).context == "x"


def test_it_refuses_a_context_that_is_not_there() -> None:
    assert refusal(kubeconfig(), "nope").problem_id == "kubeconfig-unknown-context"


def test_it_refuses_a_context_that_points_nowhere() -> None:
    assert refusal(kubeconfig(clusters=[])).problem_id == "kubeconfig-no-server"
    assert refusal(kubeconfig(users=[])).problem_id == "kubeconfig-no-credentials"


def test_it_refuses_several_documents() -> None:
    assert refusal(kubeconfig() + "---\n" + kubeconfig()).problem_id == "kubeconfig-several-documents"


def test_it_refuses_more_than_a_mebibyte() -> None:
    assert refusal("#" * (1024 * 1024 + 1)).problem_id == "kubeconfig-too-large"


@pytest.mark.parametrize("text", ["{", "a: b: c", "\x00", b"\xff\xfe\xff", "[" * 5000, "a: !!python/object/apply:os.system [id]", "\ud800"])
def test_it_refuses_what_is_not_yaml(text: str | bytes) -> None:
    assert refusal(text).problem_id == "kubeconfig-not-yaml"


@pytest.mark.parametrize("text", ["- a", "hello", "kind: Pod", "clusters: 3\ncontexts: {a: 1}"])
def test_it_refuses_yaml_that_is_no_kubeconfig(text: str) -> None:
    assert refusal(text).problem_id == "kubeconfig-not-a-kubeconfig"


def test_it_refuses_an_empty_text() -> None:
    assert refusal("").problem_id == "kubeconfig-empty"


def test_it_refuses_aliases_before_they_grow() -> None:
    bomb = "a: &a [x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(20))
    began = time.monotonic()
    assert refusal(bomb).problem_id == "kubeconfig-aliases"
    assert time.monotonic() - began < 1


def test_it_lists_contexts_with_what_is_wrong_with_each() -> None:
    text = kubeconfig(
        users=[{"name": "u", "user": {"token": "t"}}, {"name": "eks", "user": {"exec": {"command": "aws"}}}],
        contexts=[
            {"name": "good", "context": {"cluster": "c", "user": "u"}},
            {"name": "bad", "context": {"cluster": "c", "user": "eks"}},
        ],
        **{"current-context": "bad"},
    )
    good, bad = contexts(text)
    assert (good.name, good.usable, good.current, good.server) == ("good", True, False, "https://10.0.0.1:6443")
    assert (bad.name, bad.problem_id, bad.current) == ("bad", "kubeconfig-exec-plugin", True)


def test_many_contexts_are_listed_in_linear_time() -> None:
    many = [{"name": f"x{i}", "context": {"cluster": "c", "user": "u"}} for i in range(500)]
    began = time.monotonic()
    assert len(contexts(kubeconfig(contexts=many))) == 500
    assert time.monotonic() - began < 5


def test_what_it_renders_it_reads_again() -> None:
    made = Connection(
        server="https://k.example:6443/base",
        ca_pem=CA,
        token="t",
        client_cert_pem=ISSUED.cert_pem,
        client_key_pem=ISSUED.key_pem,
        tls_server_name="kubernetes",
        proxy_url="http://proxy.example:3128",
        namespace="team",
        context="here",
    )
    assert connection(render_kubeconfig(made)) == made


def test_it_reads_the_service_account_of_its_own_pod(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tok\n")
    (tmp_path / "ca.crt").write_text(CA)
    (tmp_path / "namespace").write_text("mooring")
    made = in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"})
    assert (made.server, made.token, made.namespace) == ("https://[fd00::1]:6443", "tok", "mooring")


def test_it_says_when_it_is_in_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigRefused) as caught:
        in_cluster(tmp_path, {})
    assert caught.value.problem_id == "not-in-a-cluster"


_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=20) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "cluster",
                    "user",
                    "context",
                    "server",
                    "token",
                    "namespace",
                    "exec",
                    "certificate-authority-data",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("clusters", "users", "contexts", "current-context", "kind"), _trees)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_document_raises_anything_but_a_refusal(document: dict[str, Any]) -> None:
    text = dumped(document)
    for read in (connection, contexts):
        try:
            read(text)
        except KubeconfigRefused as refused:
            assert refused.problem_id in PROBLEM_IDS


@given(st.text() | st.binary())
@settings(max_examples=60, deadline=None)
def test_no_text_raises_anything_but_a_refusal(text: str | bytes) -> None:
    try:
        connection(text)
    except KubeconfigRefused as refused:
        assert refused.problem_id in PROBLEM_IDS
