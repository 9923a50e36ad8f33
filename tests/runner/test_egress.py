"""What a pod says of the addresses that it was asked to try."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from runner import egress
from tests.proxy import Server, serving
from tests.runner.pod import Pod
from tests.runner.test_feed import free_port


@pytest.fixture
def proxy() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def through(proxy: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(user: str = "user:pa%20ss@", without: str = "") -> None:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{user}127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("no_proxy", without)

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return use


def test_an_address_is_asked_through_the_proxy_with_its_password(proxy: Server, through: Callable[..., None]) -> None:
    through()
    found = egress.ask("http://world.example/x", 5)
    assert (found["kind"], found["status"], found["via"]) == ("answered", 204, f"127.0.0.1:{proxy.server_port}")
    assert proxy.asked == [("GET", "http://world.example/x")]
    assert "pa" not in found["via"]


def test_https_goes_through_a_tunnel(proxy: Server, through: Callable[..., None]) -> None:
    through()
    port = free_port()
    found = egress.ask(f"https://localhost:{port}/", 5)
    assert proxy.asked == [("CONNECT", f"localhost:{port}")]
    assert found["kind"] in ("error", "proxy")


def test_a_proxy_that_refuses_says_so(proxy: Server, through: Callable[..., None]) -> None:
    through()
    found = egress.ask("https://forbidden.example/", 5)
    assert found["kind"] == "proxy" and "403" in found["error"]
    through(user="")
    for url in ("http://world.example/", "https://world.example/"):
        assert egress.ask(url, 5)["kind"] == "proxy-auth"


@pytest.mark.parametrize(
    ("without", "url", "direct"),
    [
        ("", "http://a.example/", False),
        ("a.example", "http://a.example/", True),
        ("example", "http://a.example/", True),
        (".example", "http://a.example/", True),
        ("ample", "http://a.example/", False),
        ("a.example:81", "http://a.example:81/", True),
        ("a.example:81", "http://a.example/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8, .svc", "http://x.y.svc/", True),
        ("fd00::/8", "http://[fd00::5]:80/", True),
        ("*", "http://a.example/", True),
    ],
)
def test_what_is_left_out_is_asked_directly(through: Callable[..., None], without: str, url: str, direct: bool) -> None:
    through(without=without)
    assert (egress.proxy_for(url) == "") is direct


def test_reasons_are_told_in_words(through: Callable[..., None]) -> None:
    assert egress.ask("https://no-such-host.invalid/", 5)["kind"] == "dns"
    found = egress.ask(f"http://127.0.0.1:{free_port()}/", 5)
    assert (found["kind"], found["error"], found["via"]) == ("refused", "the connection was refused", "")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert egress.ask(f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.3)["kind"] == "timeout"


def test_any_status_and_a_redirect_are_answers(proxy: Server, through: Callable[..., None]) -> None:
    found = egress.ask(f"http://127.0.0.1:{proxy.server_port}/", 5)
    assert (found["kind"], found["status"]) == ("answered", 407)


def test_all_are_asked_at_once_and_answers_fit_where_a_pod_leaves_them(pod: Pod) -> None:
    urls = [f"https://no-such-host-{number}.invalid/{'x' * 200}" for number in range(10)]
    command = [sys.executable, "-m", "runner", "probe", "--timeout", "5", *(part for url in urls for part in ("--address", url))]
    done = subprocess.run(command, env=pod.environment, capture_output=True, text=True, timeout=30, check=True)
    assert len(json.loads(done.stdout)["answers"]) == 10
    assert json.loads(pod.termination.read_text()) == json.loads(done.stdout)
    assert len(done.stdout) < 4096
