"""No script of a job acts as the person who looks at it: of its names, its log and its files, in a real browser."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Error, Page, Route, expect

from tests.browser.test_log import beside, sign_in
from tests.studio_process import Studio

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

# Reads who is signed in and tells it: whatever can do this can do anything else as that person.
ACT = "window.acted=1;fetch('/api/v1/me').then(a=>a.json()).then(me=>fetch('/caught?'+me.username))"
MARKUP = f'<script>{ACT}</script><img src=x onerror="{ACT}"><svg onload="{ACT}"></svg><a href="javascript:{ACT}">bait</a>'
DRAWING = f"""<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90" onload="{ACT.replace("&", "&amp;").replace(">", "&gt;")}">
<script><![CDATA[{ACT}]]></script><rect width="90" height="90"/></svg>"""
LOG = f"{MARKUP}\n\x1b]8;;javascript:{ACT}\x07bait of a link\x1b]8;;\x07\n\x1b[31m{MARKUP}\x1b[0m\nthe last line\n"
FILES = {
    "evil.html": f"<!doctype html><body onload=\"{ACT}\">{MARKUP}",
    "evil.svg": DRAWING,
    "evil.png": f"<html>{MARKUP}",
    "evil.csv": f"a,b\n{MARKUP},=cmd()\n",
    "evil.json": json.dumps({"a": MARKUP}),
    "evil.md": MARKUP,
    f'"><img src=x onerror={ACT.replace("/", "%2F")}>.txt': MARKUP,
}
PLANT = f"""
import json
import django
django.setup()
from django.utils import timezone
from jobs.models import Job, Output, Process, Transition
from studio.accounts.models import User, Workspace
from studio.assets.models import Model, ModelVersion
from studio.assets.services import keep_tree, store
from studio.assets.trees import Tree
now, person = timezone.now(), User.objects.first()
markup, log, files = json.loads({json.dumps(json.dumps([MARKUP, LOG, FILES]))})
space, _ = Workspace.objects.get_or_create(name="hostile")
job = Job.objects.create(workspace=space, submitted_by=person, yaml=f"command: |\\n  {{markup}}", command=markup, image="x", image_asked="x",
                         display_name=markup[:255], experiment=markup[:255], tags={{"tag": markup}}, compute_name="x", namespace="x",
                         instance_type="x", status="Failed", reason=markup[:500], started_at=now, ended_at=now)
Transition.objects.create(job=job, old="Running", status="Failed", reason=markup[:500], at=now)
process = Process.objects.create(job=job, index=0, pod_uid="pod", pod_name="pod", node="<b>node", log_final=True, finished=True)
process.log_path().parent.mkdir(parents=True, exist_ok=True)
process.log_path().write_text(log)
Process.objects.filter(pk=process.pk).update(log_bytes=process.log_path().stat().st_size)
for name, text in files.items():
    kept = store().put(text.encode())
    Output.objects.create(job=job, root="artifacts", path=name, size=kept.size, digest=kept.digest)
model = Model.objects.create(workspace=space, name="evil", created_by=person, last_number=1, description=markup)
ModelVersion.objects.create(model=model, version="1", snapshot=keep_tree(space, Tree(())), base_name="model", created_by=person, job_name=job.name)
print(job.name)
"""


@pytest.fixture
def watched(new_context: Callable[..., BrowserContext], studio_alone: Studio) -> tuple[Page, list[str]]:
    """Sign the administrator in; return a page, and what scripts did that must not."""
    context, did = new_context(), []
    context.on("request", lambda request: did.append(request.url) if "/caught" in request.url else None)
    context.on("dialog", lambda dialog: (did.append(dialog.message), dialog.dismiss()))
    return sign_in(context.new_page(), studio_alone), did


def acted(page: Page) -> bool:
    """Tell whether a script of the job ran in a page, after all that it loads is there, or is known not to be."""
    page.wait_for_load_state("load")
    return bool(page.evaluate("() => 'acted' in window"))


def test_no_script_of_a_job_acts_as_the_person_looking_at_it(
    watched: tuple[Page, list[str]], studio_alone: Studio, complaints: list[str]
) -> None:
    page, did = watched
    [job] = beside(studio_alone, PLANT)
    at = f"{studio_alone.url}/w/hostile"
    for path in (f"jobs/{job}/", "jobs/", f"jobs/{job}/yaml/", f"jobs/{job}/events/", f"jobs/{job}/outputs/", "models/evil/", "models/"):
        page.goto(f"{at}/{path}")
        assert not acted(page), path
    page.goto(f"{at}/jobs/{job}/")
    expect(page.get_by_text("<script>window.acted=1", exact=False).first).to_be_visible()

    page.goto(f"{at}/jobs/{job}/log/")
    expect(page.locator("[data-log-lines]")).to_contain_text("the last line")
    expect(page.locator("[data-log-lines]")).to_contain_text("<script>window.acted=1")
    assert page.locator("[data-log-lines] :is(script, img, svg, a[href^='javascript'])").count() == 0
    page.get_by_text("bait of a link").first.click()
    assert not acted(page)

    for name in FILES:
        page.goto(f"{at}/jobs/{job}/outputs/?file={quote('artifacts/' + name, safe='')}")
        assert not acted(page), name
    page.goto(studio_alone.url + "/")
    page.keyboard.press("Control+k")
    page.keyboard.type("script")
    expect(page.locator("#palette-list, [data-palette-list], [role=listbox]").first).to_be_visible()
    assert not acted(page)
    page.wait_for_load_state("networkidle")
    assert not did and not complaints

    # By their own addresses: what is not a picture is saved, a drawing is shown where nothing of it runs.
    for name in FILES:
        address = f"{at}/jobs/{job}/outputs/artifacts/{quote(name, safe='')}"
        if name.endswith((".svg", ".png")):
            page.goto(address, wait_until="networkidle")
        else:
            with page.expect_download(), contextlib.suppress(Error):  # a visit that becomes a download is broken off
                page.goto(address)
    assert not did
    complaints.clear()  # the browser says that it ran nothing of the drawing

    # The same drawing without what keeps it does act: the test would see it.
    def bare(route: Route) -> None:
        route.fulfill(status=200, content_type="image/svg+xml", body=DRAWING)

    page.route("**/evil.svg", bare)
    with page.expect_request("**/caught?*") as caught:
        page.goto(f"{at}/jobs/{job}/outputs/artifacts/evil.svg")
    assert caught.value.url.endswith(f"/caught?{studio_alone.username}")
    complaints.clear()
