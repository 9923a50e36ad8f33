"""Where clusters may be: by every spelling of an address, by name, through each of the clients, and as the setting says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from compute.kube import errors
from compute.kube.aclient import AsyncKubeClient
from compute.kube.client import KubeClient
from compute.kube.config import Connection, KubeconfigRefused, connection, contexts, in_cluster
from compute.kube.reach import EVERYWHERE, OutOfReach, Reach, reach_in, written_address
from compute.kube.transport import reach_of
from tests.compute.kube.test_config import CA, kubeconfig
from tests.fakekube import FakeKube

NOT_HERE = reach_in("!127.0.0.0/8, !::1")
REFUSED = (errors.AddressRefused, "kube-address-refused")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.0.1", "[fe80::1]", "[fe80::1%25eth0]", "0.0.0.0", "[::]", "224.0.0.1", "[ff02::1]",
        "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]",
        "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "169.254.169.254.",
        "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]",
    ],
)  # fmt: skip
def test_where_clouds_keep_credentials_nothing_is_called_however_it_is_spelled(host: str) -> None:
    for cluster in ({"server": f"https://{host}:6443"}, {"proxy-url": f"http://{host}:3128"}):
        with pytest.raises(KubeconfigRefused) as refused:
            connection(kubeconfig(cluster=cluster))
        # One with a zone is no address of a server at all.
        assert refused.value.problem_id in ("kube-address-refused", "kubeconfig-bad-server-url", "kubeconfig-bad-proxy")
        assert "%" in host or refused.value.problem_id == "kube-address-refused"


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1", "[::1]", "192.168.0.1", "[fd00::1]", "203.0.113.7", "k.example", "localhost", "a1.b2", "1e100.net"])
def test_everything_else_is_called_while_no_setting_says_otherwise(host: str) -> None:
    assert connection(kubeconfig(cluster={"server": f"https://{host}:6443"})).server == f"https://{host}:6443"


def test_the_setting_narrows_it_to_networks_and_leaves_some_of_them_out() -> None:
    reach = reach_in("10.0.0.0/8, fd00::/8, !10.9.0.0/16")
    expected = {"10.1.2.3": True, "10.9.2.3": False, "11.0.0.1": False, "fd00::5": True, "fe80::1": False, "::ffff:10.9.0.1": False, "k.example": True}
    assert {host: reach.permits_host(host) for host in expected} == expected
    text = kubeconfig(cluster={"server": "https://10.9.0.1:6443"})
    with pytest.raises(KubeconfigRefused) as refused:
        connection(text, reach=reach)
    assert refused.value.problem_id == "kube-address-refused"
    assert contexts(text, reach=reach)[0].problem_id == "kube-address-refused"
    assert connection(kubeconfig(), reach=reach).reach == reach


@pytest.mark.parametrize("text", ["10.0.0.0/33", "everywhere", "10.0.0.1/8", "!"])
def test_a_setting_that_cannot_be_read_stops_the_start_and_says_what_it_takes(text: str) -> None:
    with pytest.raises(ValueError, match=r"networks such as 10\.0\.0\.0/8"):
        reach_in(text)


def test_without_a_setting_it_is_everywhere() -> None:
    assert reach_in(" ") == EVERYWHERE


def test_a_name_is_no_address_and_an_old_spelling_is_one() -> None:
    assert written_address("a.b") is None and written_address("12ab.example") is None
    assert str(written_address("0x7f.1")) == "127.0.0.1"


@pytest.fixture
def named(fakekube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Give a connection by a name that nobody has checked, which leads to this machine."""
    port = int(fakekube.url.rsplit(":", 1)[1])
    real = socket.getaddrinfo

    def looked_up(host: Any, *given: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "kubernetes.example" else host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    yield fakekube.connection(server=f"https://kubernetes.example:{port}", tls_server_name="localhost")


def test_a_name_that_leads_out_of_reach_is_refused_when_it_is_called(named: Connection, fakekube: FakeKube) -> None:
    from dataclasses import replace

    with KubeClient(named) as client:
        assert client.version()
    before = len(fakekube.requests)
    with KubeClient(replace(named, reach=NOT_HERE)) as client:
        with pytest.raises(errors.KubeError) as refused:
            client.version()
        assert (type(refused.value), refused.value.problem_id) == REFUSED
        with pytest.raises(errors.AddressRefused):
            client.port_forward("team", "web", 8484)
    assert len(fakekube.requests) == before


async def test_the_other_client_refuses_it_too(named: Connection) -> None:
    from dataclasses import replace

    async with AsyncKubeClient(named) as client:
        assert await client.version()
    async with AsyncKubeClient(replace(named, reach=NOT_HERE)) as client:
        with pytest.raises(errors.KubeError) as refused:
            await client.version()
    assert (type(refused.value), refused.value.problem_id) == REFUSED


def test_a_name_with_several_addresses_is_called_at_those_that_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, 443)) for place in ("169.254.1.1", "10.0.0.1", "10.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: found)
    assert EVERYWHERE.places("k.example", 443) == ["10.0.0.1", "10.0.0.2"]
    with pytest.raises(OutOfReach, match=r"k\.example"):
        reach_in("192.168.0.0/16").places("k.example", 443)


def test_a_proxy_of_the_kubeconfig_is_held_to_it_and_one_of_the_machine_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    by_environment = Connection(server="https://k.example", reach=NOT_HERE)
    assert not reach_of(by_environment).limited
    own = Connection(server="https://k.example", proxy_url="http://localhost:1", reach=NOT_HERE)
    assert reach_of(own) == NOT_HERE
    with KubeClient(own) as client, pytest.raises(errors.AddressRefused):
        client.version()
    with KubeClient(own) as client, pytest.raises(errors.AddressRefused):
        client.port_forward("team", "web", 8484)


def test_the_cluster_that_the_studio_runs_in_is_always_called(tmp_path: Any) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_text(CA)
    made = in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": "169.254.20.1", "KUBERNETES_SERVICE_PORT": "443"})
    assert made.reach == Reach(limited=False) and reach_of(made).permits_place("169.254.20.1")
