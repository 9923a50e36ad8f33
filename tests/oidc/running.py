"""Run the provider of provider.mjs, and sign in there as a browser would."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.process import free_port
from tests.js.test_js import _build

HERE = Path(__file__).resolve().parent
STUDIO = "http://testserver/accounts/oidc/callback/"
SECRET = "the-secret-of-the-studio"


@dataclass
class Provider:
    """A running provider."""

    issuer: str

    def people(self, **claims: dict[str, Any]) -> None:
        """Set who there is, and what is said of them."""
        httpx.put(f"{self.issuer}/test/people", json=claims).raise_for_status()

    def spoil(self, **claims: Any) -> None:
        """Change the next token."""
        httpx.post(f"{self.issuer}/test/spoil", json=claims).raise_for_status()

    def enter(self, address: str, person: str, *, cancel: bool = False) -> str:
        """Sign in as a person from where the studio led to; return where the provider leads back to."""
        with httpx.Client(base_url=self.issuer, timeout=30) as browser:
            answer = browser.get(address)
            for _ in range(12):
                place = answer.headers.get("Location", "")
                if answer.is_redirect and not place.startswith(("/", self.issuer)):
                    return place
                if answer.is_redirect:
                    answer = browser.get(place)
                    continue
                # The page asks who one is, then whether the studio may know.
                form = re.search(r'action="([^"]+)"', answer.text)
                prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
                assert form and prompt, answer.text[:500]
                if cancel:
                    abort = re.search(r'href="([^"]+/abort)"', answer.text)
                    assert abort, answer.text
                    answer = browser.get(abort[1])
                    continue
                answer = browser.post(form[1], data={"prompt": prompt[1], "login": person, "password": "x"})
        raise AssertionError(f"the provider led nowhere: {answer.status_code} {answer.text[:300]}")


@contextlib.contextmanager
def running(*redirects: str) -> Iterator[Provider]:
    """Start a provider that leads back to the given addresses alone."""
    port = free_port("127.0.0.1")
    command = [*_node(), str(HERE / "provider.mjs"), str(port), *(redirects or (STUDIO,))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout
        said = ""
        while "listening" not in said:
            line = process.stdout.readline()
            assert line, f"the provider did not start: {said}"
            said += line
        yield Provider(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def _node() -> list[str]:
    """Return the Node that the pages' scripts are bundled with."""
    node: list[str] | None = _build()._node()
    assert node, "there is no Node to run the provider with"
    return node
