"""The main job clicked through: sign in, fill the form, watch the log live, look at the picture that came out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.studio_process import ROOT, Studio

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.timeout(420)]

SAMPLE = ROOT / "sample" / "train"
COMMAND = "python train.py --data ${{inputs.flowers}} --rounds ${{inputs.rounds}}"
# Software drawing beside a whole Kubernetes on two cores is slow.
SLOW_MS = 120_000


@pytest.fixture(autouse=True)
def pictures(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every page's picture taken, into a folder of the test run unless one is named."""
    if not os.environ.get("MOORING_PICTURES"):
        monkeypatch.setenv("MOORING_PICTURES", str(tmp_path_factory.mktemp("pictures")))


@pytest.fixture
def person(new_context: Callable[..., BrowserContext], studio: Studio, complaints: list[str]) -> Iterator[Page]:
    """Open a browser and sign in; what its console calls an error fails the test."""
    page = new_context().new_page()
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}") if message.type == "error" else None)
    page.goto(f"{studio.url}/w/demo/jobs/")
    page.get_by_label("User name").fill(studio.username)
    page.get_by_label("Password").fill(studio.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/w/demo/jobs/"))
    yield page


def test_a_job_is_submitted_from_the_form_watched_and_its_picture_looked_at(
    person: Page, studio: Studio, picture: Callable[[Page, str], None]
) -> None:
    person.goto(f"{studio.url}/w/demo/jobs/-/new/")
    person.locator("#id_command").fill(COMMAND)
    person.locator("#id_code").set_input_files(SAMPLE / "src" / "train.py")
    person.locator("#id_image").fill("sklearn-1.5")
    person.get_by_role("link", name="What it is given").click()
    first = person.locator(".pair.input").nth(0)
    first.get_by_label("Input: name").fill("flowers")
    first.get_by_label("Input: kind").select_option("file")
    first.get_by_label("Input: files").set_input_files(SAMPLE / "data" / "flowers.csv")
    add = person.get_by_role("button", name="Add an input")
    if person.locator(".pair.input:visible").count() < 2:
        add.click()
    second = person.locator(".pair.input:visible").nth(1)
    second.get_by_label("Input: name").fill("rounds")
    second.get_by_label("Input: value").fill("12")
    person.get_by_role("button", name="Next: How it is found").click()
    person.locator("#id_display_name").fill("Flowers by hand")
    person.keyboard.press("Enter")
    expect(person.locator("#step-review")).to_contain_text("flowers, rounds")
    expect(person.locator("#step-review")).to_contain_text("Flowers by hand")
    picture(person, "submit")
    person.get_by_role("button", name="Submit job").click()

    expect(person).to_have_url(re.compile(r"/w/demo/jobs/[a-z]+_[a-z]+_[a-z0-9]+/"), timeout=SLOW_MS)
    name = re.search(r"/jobs/([^/]+)/", person.url)
    assert name
    person.goto(f"{studio.url}/w/demo/jobs/{name[1]}/log/")
    lines = person.locator("[data-log-lines]")
    expect(lines).to_contain_text("round  2 of 12", timeout=SLOW_MS)
    assert studio.client.jobs.get(name[1]).status in ("Running", "Finalizing"), "the log came only after the job had ended"
    expect(lines).to_contain_text("accuracy", timeout=SLOW_MS)
    expect(lines).to_contain_text("kept ", timeout=SLOW_MS)
    expect(person.locator("#job-head")).to_contain_text("Completed", timeout=SLOW_MS)
    picture(person, "log")

    person.goto(f"{studio.url}/w/demo/jobs/{name[1]}/outputs/")
    person.get_by_role("link", name="confusion_matrix.png").first.click()
    shown = person.get_by_role("img", name="confusion_matrix.png")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    picture(person, "outputs")

    person.goto(f"{studio.url}/w/demo/jobs/{name[1]}/")
    expect(person.locator("#job-head")).to_contain_text("Completed")
    picture(person, "job")
    if os.environ.get("MOORING_KEEP_PICTURES"):
        keep(person, studio, name[1])


def test_a_failure_says_what_happened_and_what_to_do(person: Page, studio: Studio, picture: Callable[[Page, str], None]) -> None:
    yaml = "type: command\nenvironment: {image: 'python:3.12'}\ncommand: echo looking for the file; exit 3\n"
    job = studio.submit(yaml, "display_name=Wrong turn")
    person.goto(f"{studio.url}/w/demo/jobs/{job.name}/")
    head = person.locator("#job-head")
    expect(head).to_contain_text("Failed", timeout=SLOW_MS)
    expect(head).to_contain_text("exit code 3")
    expect(head).to_contain_text("Read the end of the log")
    picture(person, "failed")
    person.goto(f"{studio.url}/w/demo/jobs/")
    expect(person.get_by_role("link", name="Wrong turn")).to_be_visible()
    picture(person, "jobs")


@pytest.mark.parametrize("path", ["/ops/clusters/", "/ops/clusters/local/", "/w/demo/computes/", "/ops/images/"])
def test_the_pages_around_it_open_without_a_complaint(
    person: Page, studio: Studio, picture: Callable[[Page, str], None], path: str
) -> None:
    answer = person.goto(f"{studio.url}{path}")
    assert answer is not None and answer.status == 200
    expect(person.locator("h1").first).to_be_visible()
    picture(person, path.strip("/").replace("/", "-"))


def keep(page: Page, studio: Studio, name: str) -> None:
    """Make the picture of the README anew: the log page of the sample."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{studio.url}/w/demo/jobs/{name}/log/")
    expect(page.locator("[data-log-lines]")).to_contain_text("kept ")
    target = Path(ROOT / "docs" / "images" / "job.png")
    target.parent.mkdir(exist_ok=True)
    page.screenshot(path=target)
