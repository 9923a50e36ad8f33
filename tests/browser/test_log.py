"""The log page as people use it: search, links to lines, colours, wrap, processes, download; follow, pause and times while it grows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from benchmarks.databases import database_of
from benchmarks.process import without_ours
from tests.studio_process import ROOT, Studio

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WAIT_MS = 60_000
MAKE = """
import django
django.setup()
from django.utils import timezone
from jobs.models import Job, Process
from studio.accounts.models import User, Workspace
now = timezone.now()
workspace, _ = Workspace.objects.get_or_create(name="demo")
job = Job.objects.create(workspace=workspace, submitted_by=User.objects.first(), yaml="command: x", command="x", image="x",
                         image_asked="x", compute_name="x", namespace="x", instance_type="x", status="Completed", started_at=now, ended_at=now)
for index in range(2):
    process = Process.objects.create(job=job, index=index, pod_uid=f"pod{index}", pod_name=f"pod{index}",
                                     log_final=True, finished=True)
    path = process.log_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for number in range(1, 3001):
            text = "\\x1b[31mloss is nan\\x1b[0m" if number % 1000 == 500 else "word " * 60 if number == 3 else "steady"
            file.write(f"process {index} line {number}: {text}\\n")
    Process.objects.filter(pk=process.pk).update(log_bytes=path.stat().st_size)
    print(path)
print(job.name)
"""
# Where a pane stands once it has stopped moving.
STILL = """
pane => new Promise((done) => {
  let before = -1
  const look = () => (before === pane.scrollTop ? done(before) : ((before = pane.scrollTop), setTimeout(look, 200)))
  look()
})
"""
GROWING = """
type: command
environment: {image: 'python:3.12'}
command: |
  python -u - <<'END'
  import time
  for number in range(1, 1000):
      print("line", number, "steady" if number < 200 else "late", flush=True)
      time.sleep(0.002 if number < 200 else 0.5)
  END
"""


@pytest.fixture
def person(new_context: Callable[..., BrowserContext], studio_alone: Studio) -> Page:
    """Sign in as the administrator."""
    return sign_in(new_context().new_page(), studio_alone)


def sign_in(page: Page, studio: Studio) -> Page:
    """Sign a fresh person in; return the page."""
    page.goto(f"{studio.url}/account/")
    page.get_by_label("User name").fill(studio.username)
    page.get_by_label("Password").fill(studio.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/account/"))
    return page


def beside(studio: Studio, script: str) -> list[str]:
    """Run a script on a studio's data, past the studio; return the lines that it prints."""
    environment = without_ours(dict(os.environ)) | database_of(studio.data)
    environment |= {"MOORING_DATA": str(studio.data), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def line(page: Page, number: int) -> Locator:
    """Return a line of the log that is in sight, counted from 1."""
    return page.locator(f"[data-log-lines] > [data-line='{number - 1}']")


def test_a_kept_log_is_searched_linked_to_wrapped_and_downloaded(
    person: Page, studio_alone: Studio, picture: Callable[[Page, str], None]
) -> None:
    first, _, name = beside(studio_alone, MAKE)
    log = f"{studio_alone.url}/w/demo/jobs/{name}/log/"
    person.goto(log)
    expect(line(person, 3000)).to_contain_text("process 0 line 3000", timeout=WAIT_MS)

    person.keyboard.press("Control+f")
    person.keyboard.type("NaN")
    found = person.locator("[data-log-found]")
    expect(found).to_contain_text("of 3", timeout=WAIT_MS)
    seen = []
    for _ in range(3):
        seen.append(found.inner_text())
        expect(person.locator("[data-log-lines] mark").first).to_have_text("nan")
        person.keyboard.press("Enter")
    assert len(set(seen)) == 3
    red = person.locator("[data-log-lines] span", has_text="loss is").last
    colour = "each => getComputedStyle(each).color"
    assert red.evaluate(colour) != person.locator("[data-log-lines] > [data-line]", has_text="steady").first.evaluate(colour)
    person.keyboard.press("Escape")
    expect(found).to_have_text("")

    person.goto(f"{log}#L1234-L1236")
    person.reload()
    expect(line(person, 1234)).to_be_in_viewport(timeout=WAIT_MS)
    assert [line(person, number).get_attribute("class") for number in (1234, 1236)] == [line(person, 1235).get_attribute("class")] * 2
    assert line(person, 1237).get_attribute("class") != line(person, 1236).get_attribute("class")
    line(person, 1240).locator("a[data-n]").click()
    assert person.url.endswith("#L1240")
    picture(person, "log-line")

    person.goto(f"{log}#L3")
    person.reload()
    expect(line(person, 3)).to_be_in_viewport(timeout=WAIT_MS)
    height = line(person, 3).bounding_box()
    person.get_by_role("button", name="Wrap").click()
    wrapped = line(person, 3).bounding_box()
    assert height and wrapped and wrapped["height"] > height["height"]
    person.get_by_role("button", name="Wrap").click()

    with person.expect_download() as download:
        person.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == Path(first).read_bytes()
    person.locator(".log-tools .tabs").get_by_role("link").nth(1).click()
    expect(person.locator("[data-log-lines]")).to_contain_text("process 1 line 3000", timeout=WAIT_MS)


@pytest.mark.cluster
def test_a_growing_log_is_followed_paused_and_timed(new_context: Callable[..., BrowserContext], studio: Studio) -> None:
    job = studio.submit(GROWING)
    page = sign_in(new_context().new_page(), studio)
    page.goto(f"{studio.url}/w/demo/jobs/{job.name}/log/")
    expect(page.locator("[data-log-lines]")).to_contain_text("late", timeout=WAIT_MS)
    follow, pane = page.get_by_role("button", name="Follow"), page.locator("[data-log-scroll]")
    expect(follow).to_have_attribute("aria-pressed", "true")
    # Whoever scrolls up to read is left where they are, and told what came meanwhile.
    pane.hover()
    page.mouse.wheel(0, -2500)
    expect(follow).to_have_attribute("aria-pressed", "false")
    place = pane.evaluate(STILL)
    expect(page.locator("[data-log-more]")).to_contain_text(re.compile(r"[2-9] new lines"), timeout=WAIT_MS)
    assert pane.evaluate("pane => pane.scrollTop") == place
    page.locator("[data-log-more]").click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Times").click()
    expect(page.locator("[data-log-lines] > [data-line] > i").last).to_have_attribute("data-t", re.compile(r"^\d\d:\d\d:\d\d$"))
    studio.client.jobs.cancel(job.name)
    studio.ended(job.name)
    # The same times for all who look, after a reload and when the job is over.
    stamped = studio.cli("job", "stream", job.name, "-w", "demo", "--timestamps", check=False).stdout.splitlines()
    page.goto(f"{studio.url}/w/demo/jobs/{job.name}/log/#L190-L205")
    page.reload()
    page.get_by_role("button", name="Times").click()
    for number in (190, 203):
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z line ", stamped[number - 1])
        when = page.evaluate("(text) => new Date(text).toLocaleTimeString('en-GB')", stamped[number - 1][:24])
        expect(line(page, number).locator("i")).to_have_attribute("data-t", when, timeout=WAIT_MS)
    assert stamped[189][:24] < stamped[202][:24]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    kept = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert [row[25:] for row in stamped] == kept
