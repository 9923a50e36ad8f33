"""Calling an endpoint from the studio: the cluster says where its router is, and is not believed everything."""

from __future__ import annotations

import http.server
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compute.extension.models import Extension
from compute.kube.reach import reach_in
from endpoints.calling import call_endpoint
from endpoints.models import Deployment, Endpoint
from studio.core.errors import ProblemError
from tests.conftest import People

pytestmark = pytest.mark.django_db


class Answering(http.server.BaseHTTPRequestHandler):
    """Stand in for a router, or for whatever a hostile cluster says is one."""

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        self.server.asked.append((self.path, self.headers["Host"]))  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
        self.send_header("Set-Cookie", "sessionid=planted")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    running.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def endpoint(make_endpoint: Callable[..., Endpoint], make_deployment: Callable[..., Deployment], server: http.server.HTTPServer) -> Endpoint:
    made = make_endpoint()
    make_deployment(made)
    place = {"scheme": "http", "host": "scoring.example.test", "port": server.server_port, "base_url": "http://scoring.example.test"}
    Extension.objects.update(router={"ready": True, "address": "127.0.0.1", **place})
    return made


def call(people: People, endpoint: Endpoint) -> Any:
    return call_endpoint(people.contributor, Endpoint.objects.get(pk=endpoint.pk), body=b"{}")


def test_it_calls_the_address_under_the_name_and_follows_no_redirect(people: People, endpoint: Endpoint, server: Any) -> None:
    answer = call(people, endpoint)
    assert (answer.status, answer.body, answer.way) == (302, b"ok", "router")
    assert server.asked == [("/api/v1/endpoint/flowers/score", f"scoring.example.test:{server.server_port}")]
    assert "set-cookie" not in {name.lower() for name in answer.headers}


def test_a_router_out_of_reach_is_not_called(people: People, endpoint: Endpoint, server: Any, settings: Any) -> None:
    settings.CLUSTER_NETWORKS = reach_in("10.0.0.0/8")
    with pytest.raises(ProblemError) as refused:
        call(people, endpoint)
    assert refused.value.problem.id == "kube-address-refused" and not server.asked


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "2852039166"])
def test_a_router_that_is_said_to_be_where_clouds_keep_credentials_is_not_called(address: str, people: People, endpoint: Endpoint) -> None:
    row = Extension.objects.get()
    Extension.objects.update(router={**row.router, "address": address})
    with pytest.raises(ProblemError) as refused:
        call(people, endpoint)
    assert refused.value.problem.id == "kube-address-refused"


def test_a_router_whose_name_is_not_known_is_told(people: People, endpoint: Endpoint) -> None:
    row = Extension.objects.get()
    Extension.objects.update(router={**row.router, "address": "no-such-host.invalid"})
    with pytest.raises(ProblemError) as failed:
        call(people, endpoint)
    assert failed.value.problem.id == "endpoint-call-failed"


def test_a_router_with_several_addresses_is_called_once_at_the_first_that_answers(
    people: People, endpoint: Endpoint, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    connected: list[str] = []

    def several(host: Any, port: Any, *given: Any, **named: Any) -> Any:
        if host != "router.example":
            return real(host, port, *given, **named)
        # Where nobody listens, where the server is, and where clouds keep credentials.
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port)) for place in ("127.0.0.2", "169.254.169.254", "127.0.0.1")]

    def get_request() -> Any:
        taken = socketserver.TCPServer.get_request(server)
        connected.append(taken[1][0])
        return taken

    monkeypatch.setattr(socket, "getaddrinfo", several)
    monkeypatch.setattr(server, "get_request", get_request)
    row = Extension.objects.get()
    Extension.objects.update(router={**row.router, "address": "router.example"})
    assert call(people, endpoint).body == b"ok"
    assert len(connected) == len(server.asked) == 1
