"""The sync client and pods: their ports by proxy and by forward, their logs."""

import http.client
import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from compute.kube import errors, kinds
from compute.kube.client import KubeClient
from compute.kube.transport import pod_path
from tests.compute.kube.calls import POD, raised
from tests.fakekube import FakeKube


def echo(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Iterator[bytes]]:
    lines = [f"{method} {path}\n", f"{headers.get('X-Mooring-Token')}\n", f"{len(body)}\n"]
    return 200, {"X-Answer": "yes"}, (line.encode() for line in lines)


@pytest.fixture
def web(team: FakeKube) -> FakeKube:
    team.store.create(kinds.POD, "team", POD)
    team.pod_running("team", "web")
    team.serve_pod("team", "web", 8484, echo)
    return team


@pytest.mark.parametrize("body", [b"x" * 70_000, [b"x" * 35_000] * 2, io.BytesIO(b"x" * 70_000)])
def test_the_pod_proxy_carries_method_headers_query_and_body(web: FakeKube, client: KubeClient, body: Any) -> None:
    answer = client.pod_proxy("team", "web", 8484, "PUT", "/v1/a b", query={"offset": 5}, headers={"X-Mooring-Token": "t"}, body=body)
    assert answer.headers["X-Answer"] == "yes"
    assert answer.read() == b"PUT /v1/a%20b?offset=5\nt\n70000\n"


def test_the_clusters_token_is_not_given_to_a_pod(web: FakeKube, client: KubeClient) -> None:
    seen: list[dict[str, str]] = []

    def app(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], list[bytes]]:
        seen.append(headers)
        return 200, {}, [b"ok"]

    web.serve_pod("team", "web", 9000, app)
    client.pod_proxy("team", "web", 9000, "GET", "/").read()
    assert "Authorization" not in seen[0]


def test_a_pods_own_error_is_an_answer_and_the_servers_is_raised(web: FakeKube, client: KubeClient) -> None:
    web.serve_pod("team", "web", 9000, lambda *_: (403, {"Content-Type": "application/json"}, [b'{"error": "token"}']))
    answer = client.pod_proxy("team", "web", 9000, "GET", "/")
    assert (answer.status, answer.json()) == (403, {"error": "token"})
    assert isinstance(raised(lambda: client.pod_proxy("team", "web", 1, "GET", "/")), errors.ServerFault)
    assert isinstance(raised(lambda: client.pod_proxy("team", "gone", 1, "GET", "/")), errors.NotFound)
    web.deny(subresource="proxy")
    assert isinstance(raised(lambda: client.pod_proxy("team", "web", 9000, "GET", "/")), errors.Forbidden)


def test_bytes_of_a_pod_arrive_one_by_one(web: FakeKube, client: KubeClient) -> None:
    go = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"first"
        go.wait(10)
        yield b"second"

    web.serve_pod("team", "web", 9000, lambda *_: (200, {}, slowly()))
    with client.pod_proxy("team", "web", 9000, "GET", "/") as answer:
        pieces = iter(answer)
        assert next(pieces) == b"first"
        go.set()
        assert next(pieces) == b"second"


@pytest.mark.parametrize("path", ["/../../../secrets", "/a/./b", "/..", "no-slash"])
def test_a_path_cannot_climb_out_of_the_pod(path: str) -> None:
    with pytest.raises(ValueError, match="path on a pod"):
        pod_path(path)


@pytest.mark.parametrize("name", ["..", "a/b", "a%2fb", ""])
def test_a_name_cannot_climb_out_of_its_place(name: str) -> None:
    with pytest.raises(ValueError, match="path"):
        kinds.POD.path(name, "team")


def test_a_port_forward_is_like_a_socket(web: FakeKube, client: KubeClient) -> None:
    with client.port_forward("team", "web", 8484) as forwarded:
        talk = http.client.HTTPConnection("web")
        talk.sock = forwarded
        talk.request("PUT", "/big", body=b"x" * 100_000)
        assert talk.getresponse().read() == b"PUT /big\nNone\n100000\n"


def test_a_port_that_nobody_listens_on_is_told(web: FakeKube, client: KubeClient) -> None:
    with client.port_forward("team", "web", 1) as forwarded:
        error = raised(lambda: forwarded.recv(1))
    assert "connection refused" in error.message


def test_a_forbidden_port_forward_is_told(web: FakeKube, client: KubeClient) -> None:
    web.deny(subresource="portforward")
    assert isinstance(raised(lambda: client.port_forward("team", "web", 8484)), errors.Forbidden)


def test_it_reads_a_log(web: FakeKube, client: KubeClient) -> None:
    log = web.log_of("team", "web", "side")
    log.print("old\n", at="2026-01-01T00:00:00Z")
    log.print("new\n", at="2026-01-02T00:00:00Z")
    assert client.logs("team", "web", "side").read() == b"old\nnew\n"
    assert client.logs("team", "web", "side", tail=1).read() == b"new\n"
    since = client.logs("team", "web", "side", since="2026-01-02T00:00:00Z", timestamps=True)
    assert since.read() == b"2026-01-02T00:00:00Z new\n"


def test_it_follows_a_log_to_its_end(web: FakeKube, client: KubeClient) -> None:
    log = web.log_of("team", "web", "main")
    log.print("one\n")
    with client.logs("team", "web", "main", follow=True) as stream:
        pieces = iter(stream)
        assert next(pieces) == b"one\n"
        log.print("two\n")
        assert next(pieces) == b"two\n"
        log.end()
        assert list(pieces) == []


def test_a_follow_that_stays_silent_ends_when_asked(web: FakeKube, client: KubeClient) -> None:
    with client.logs("team", "web", "main", follow=True, idle_timeout=0.2) as stream:
        assert isinstance(raised(lambda: next(iter(stream))), errors.Timeout)
