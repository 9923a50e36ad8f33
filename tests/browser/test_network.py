"""A certificate given in the browser: refused at its field, then taken; the way out and a check of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.cluster.conftest import sandbox
from tests.cluster.extension import forget_certificate
from tests.compute.network.pki import family, make
from tests.studio_process import Studio

__all__ = ["sandbox"]

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.timeout(420)]


@pytest.fixture
def person(new_context: Callable[..., BrowserContext], studio: Studio, complaints: list[str]) -> Iterator[Page]:
    """Sign in as an operator; what the console calls an error fails the test, but for the refusals asked for."""
    page = new_context().new_page()
    page.goto(f"{studio.url}/ops/clusters/{studio.cluster}/network/")
    page.get_by_label("User name").fill(studio.username)
    page.get_by_label("Password").fill(studio.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/network/"))
    yield page


def test_a_certificate_is_refused_at_its_field_then_taken_and_removed(
    person: Page, studio: Studio, picture: Callable[[Page, str], None]
) -> None:
    made = family(("scoring.mooring.example",), ends=20)
    forget_certificate(studio)
    person.reload()
    expect(person.get_by_role("heading", name="No certificate yet")).to_be_visible()
    picture(person, "network-empty")
    person.get_by_role("link", name="Set certificate").click()
    person.get_by_label("Chain", exact=True).fill(made.chain)
    person.get_by_label("Private key").fill(make("other").key)
    person.get_by_role("button", name="Set certificate").click()
    problem = person.locator("#field_key .problem")
    expect(problem).to_contain_text("The private key is not the one of scoring.mooring.example.")
    expect(person.get_by_label("Private key")).to_have_value("")
    expect(person.get_by_label("Chain", exact=True)).to_have_value(re.compile("BEGIN CERTIFICATE"))
    picture(person, "network-refused")

    person.locator("#id_chain").fill("")
    file = {"name": "chain.pem", "mimeType": "application/x-pem-file", "buffer": made.chain.encode()}
    person.locator("#id_chain_file").set_input_files(file)  # type: ignore[arg-type]
    person.locator("#id_key_file").set_input_files({**file, "name": "key.pem", "buffer": made.leaf.key.encode()})  # type: ignore[arg-type]
    person.get_by_role("button", name="Set certificate").click()
    card = person.locator("#certificate")
    expect(card).to_contain_text("Test Issuing", timeout=60_000)
    # Live: the page says it by itself when the Secret is in the cluster.
    expect(card.locator(".state").first).to_have_text("Ready", timeout=60_000)
    expect(person.get_by_text("The router's certificate ends soon").first).to_be_visible()
    card.get_by_text("Chain of 3").click()
    picture(person, "network-certificate")

    card.get_by_role("button", name="Remove").click()
    person.get_by_role("button", name="Remove certificate").click()
    expect(person.get_by_role("heading", name="No certificate yet")).to_be_visible(timeout=60_000)


def test_a_proxy_is_set_and_addresses_are_tried(
    person: Page, studio: Studio, sandbox: dict[str, Any], picture: Callable[[Page, str], None]
) -> None:
    person.locator("#way-out").get_by_role("link", name="Change").click()
    person.locator("#id_http_proxy").fill("proxy:3128")
    person.get_by_role("button", name="Save").click()
    expect(person.locator("#field_http_proxy .problem")).to_contain_text("programs know http:// and https://")
    picture(person, "network-way-out")
    person.locator("#id_http_proxy").fill("http://user:s3cr3t@127.0.0.1:9")
    person.locator("#id_ca_bundle").fill(make("Corporate CA", ca=True).pem)
    person.get_by_role("button", name="Save").click()
    expect(person.locator("#way-out")).to_contain_text("http://user:•••@127.0.0.1:9")
    person.locator("#id_addresses").fill(f"http://world.example\n{studio.url.replace('127.0.0.1', sandbox['host_address'])}/healthz")
    person.get_by_role("button", name="Ask from a pod").click()
    expect(person.locator("#live")).to_contain_text("the proxy refused the connection", timeout=120_000)
    picture(person, "network-checked")
    assert "s3cr3t" not in person.content()
    studio.cli("cluster", "network", "proxy", studio.cluster, "--clear")
