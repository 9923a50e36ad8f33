"""An endpoint clicked through: made by the wizard, tried, its traffic moved by keys, its figures and its log looked at."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.studio_process import ROOT, Studio

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.timeout(560)]

# Software drawing beside a whole Kubernetes on two cores is slow.
SLOW_MS = 120_000
SCORE = """\
import json, os, pathlib

input_sample = {"data": [1, 2, 3]}


def init():
    global factor
    factor = int((pathlib.Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())
    print("the factor is", factor, flush=True)


def run(raw_data):
    data = json.loads(raw_data)["data"]
    print("asked for", len(data), flush=True)
    return {"answers": [factor * value for value in data]}
"""
Picture = Callable[[Page, str], None]


@pytest.fixture
def model(studio: Studio, tmp_path: Path) -> str:
    """Register a model of one file, and have an image for it."""
    for pattern, image in (("python:3*", "python"), ("library/python:*", "python")):
        studio.client.transport.json("PUT", "image-rules", json={"pattern": pattern, "image": studio.images[image], "position": 10})
    factor = tmp_path / "factor.txt"
    factor.write_text("3")
    made = studio.client.models.register("factor", factor)
    return f"factor:{made.version}"


@pytest.fixture
def person(new_context: Callable[..., BrowserContext], studio: Studio, complaints: list[str]) -> Page:
    """Sign in; what the browser's console calls an error fails the test."""
    page = new_context().new_page()
    page.goto(f"{studio.url}/w/demo/endpoints/")
    page.get_by_label("Username").fill(studio.username)
    page.get_by_label("Password").fill(studio.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/w/demo/endpoints/"))
    return page


def test_an_endpoint_is_made_tried_shared_and_looked_at(
    person: Page, studio: Studio, tls_router: dict[str, Any], model: str, picture: Picture, tmp_path: Path
) -> None:
    page = person
    script = tmp_path / "score.py"
    script.write_text(SCORE)
    name, version = model.split(":")
    page.goto(f"{studio.url}/w/demo/models/{name}/versions/{version}/")
    page.get_by_role("link", name="Deploy").first.click()
    page.locator("#id_name").fill("factors")
    expect(page.locator("#name-check")).to_contain_text("/api/v1/endpoint/factors/score")
    page.get_by_role("button", name="Next: Model").click()
    expect(page.locator("#id_model")).to_have_value(model)
    page.get_by_role("button", name="Next: Code and environment").click()
    page.locator("#id_code").set_input_files(script)
    page.locator("#id_image").fill("python:3.11")
    page.get_by_role("button", name="Review", exact=True).click()
    expect(page.locator("[data-review]")).to_contain_text(model)
    picture(page, "endpoint-new")
    page.get_by_role("button", name="Create endpoint").click()

    expect(page).to_have_url(re.compile(r"/w/demo/endpoints/factors/"), timeout=SLOW_MS)
    expect(page.locator(".deployment .state").first).to_have_text("Ready", timeout=SLOW_MS)
    expect(page.locator("#percent-blue")).to_have_value("100", timeout=SLOW_MS)
    picture(page, "endpoint-first")

    # A second one is ready and gets nothing, until somebody gives it a share: by keys.
    page.get_by_role("link", name="Add deployment").click()
    expect(page.locator("#id_deployment")).to_have_value("green")
    page.get_by_role("link", name="Code and environment").click()
    page.locator("#id_code").set_input_files(script)
    page.locator("#id_image").fill("python:3.11")
    page.get_by_role("button", name="Review", exact=True).click()
    page.get_by_role("button", name="Add deployment").click()
    expect(page.locator(".deployment").nth(1).locator(".state").first).to_have_text("Ready", timeout=SLOW_MS)

    page.goto(f"{studio.url}/w/demo/endpoints/factors/test/")
    page.get_by_role("button", name="Example", exact=True).click()
    expect(page.locator("#test-body")).to_have_value(re.compile(r'"data": \[\s*1,'), timeout=SLOW_MS)
    page.locator("#test-body").fill('{"data": [1, 2, 5]}')
    page.locator("#test-body").press("Control+Enter")
    expect(page.locator("#answer")).to_contain_text("200", timeout=SLOW_MS)
    expect(page.locator("[data-answer]")).to_contain_text("15")
    picture(page, "endpoint-test")
    for _ in range(3):
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("button", name="Send")).to_be_enabled()
    page.reload()
    expect(page.locator("#test-body")).to_have_value('{"data": [1, 2, 5]}')

    page.goto(f"{studio.url}/w/demo/endpoints/factors/")
    cut = page.get_by_role("slider", name="Between blue and green")
    cut.press("PageDown")
    cut.press("PageDown")
    cut.press("ArrowLeft")
    expect(page.locator("[data-traffic-change]")).to_have_text("blue 100 % → 79 %, green 0 % → 21 %")
    picture(page, "endpoint-traffic")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#toasts")).to_contain_text("Traffic: blue 100 % becomes blue 79 %, green 21 %.")
    expect(page.locator("#percent-green")).to_have_value("21")
    expect(page.locator("#endpoint-head .state").first).to_have_text("Ready", timeout=SLOW_MS)
    for _ in range(30):
        studio.client.endpoints.invoke("factors", b'{"data": [1]}')

    page.goto(f"{studio.url}/w/demo/endpoints/factors/monitoring/")
    expect(page.locator("[data-figures][data-drawn]")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#figures-table")).to_contain_text("2xx", timeout=SLOW_MS)
    picture(page, "endpoint-monitoring")

    page.goto(f"{studio.url}/w/demo/endpoints/factors/logs/?deployment=blue")
    expect(page.locator("[data-log-lines]")).to_contain_text("asked for", timeout=SLOW_MS)
    picture(page, "endpoint-log")
    page.goto(f"{studio.url}/w/demo/endpoints/factors/events/")
    expect(page.locator("#cluster-events")).to_contain_text("Pod md-", timeout=SLOW_MS)
    picture(page, "endpoint-events")

    page.goto(f"{studio.url}/w/demo/endpoints/factors/consume/")
    expect(page.get_by_role("link", name="factors-ca.pem")).to_be_visible()
    page.get_by_role("button", name="Show the keys").click()
    expect(page.locator("[data-key=primary]")).to_be_visible()
    picture(page, "endpoint-consume")
    page.goto(f"{studio.url}/w/demo/endpoints/")
    expect(page.get_by_role("row").filter(has_text="factors")).to_contain_text("blue 79 %, green 21 %")
    picture(page, "endpoints")
    if os.environ.get("MOORING_KEEP_PICTURES"):
        page.goto(f"{studio.url}/w/demo/endpoints/factors/")
        page.set_viewport_size({"width": 1280, "height": 800})
        expect(page.locator(".deployment .state").first).to_have_text("Ready")
        page.screenshot(path=ROOT / "docs" / "images" / "endpoint.png")

    page.goto(f"{studio.url}/w/demo/endpoints/factors/")
    page.get_by_label("More about this endpoint").click()
    page.get_by_role("button", name="Delete").first.click()
    page.locator("#confirm-type").fill("factors")
    page.locator("#confirm").get_by_role("button", name="Delete endpoint").click()
    expect(page.get_by_role("heading", name="No endpoint yet")).to_be_visible(timeout=SLOW_MS)
