"""What a page does when something is away: its person's session, the network, Redis; its notices; and the company's sign-in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
import redis as redis_client
from playwright.sync_api import BrowserContext, Locator, Page, expect

from benchmarks.furnished import Pages, furnished, redis
from benchmarks.process import free_port
from tests.furnish import PASSWORD
from tests.oidc.running import SECRET, Provider, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Context = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pages, Provider, str]]:
    """Furnish a studio that takes the company's accounts, with a Redis of its own."""
    port = free_port("127.0.0.1")
    with running(f"http://127.0.0.1:{port}/accounts/oidc/callback/") as provider, redis(tmp_path_factory.mktemp("r")) as redis_url:
        provider.people(ada={"email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace", "preferred_username": "ada", "groups": ["ml"]})
        settings = {
            "MOORING_OIDC_ISSUER": provider.issuer, "MOORING_OIDC_CLIENT_ID": "studio", "MOORING_OIDC_CLIENT_SECRET": SECRET,
            "MOORING_OIDC_NAME": "Company ID", "MOORING_OIDC_ROLES": "ml=team:contributor",
        }  # fmt: skip
        with furnished(tmp_path_factory.mktemp("company"), redis_url, port=port, settings=settings) as pages:
            yield pages, provider, redis_url


def test_the_button_signs_in_with_the_companys_account_and_brings_its_roles(
    new_context: Context, company: tuple[Pages, Provider, str], picture: Callable[[Page, str], None]
) -> None:
    pages, _, _ = company
    page = new_context(base_url=pages.url).new_page()
    page.goto("/w/team/jobs/?show=mine")
    picture(page, "sign-in-company")
    page.get_by_role("link", name="Sign in with Company ID").or_(page.get_by_role("button", name="Sign in with Company ID")).click()
    # At the provider: who one is, then whether the studio may know.
    page.locator("input[name=login]").fill("ada")
    page.locator("input[name=password]").fill("x")
    page.locator("button[type=submit]").click()
    expect(page.locator("input[name=prompt]")).to_have_value("consent")
    page.locator("button[type=submit]").click()
    # Back where the way began, as a contributor of the workspace that the group is mapped to.
    expect(page).to_have_url(re.compile(r"/w/team/jobs/\?show=mine$"))
    expect(page.get_by_role("link", name="Submit job").first).to_be_visible()
    page.goto("/accounts/profile/")
    expect(page.locator("body")).to_contain_text("ada@example.com")
    page.goto("/ops/clusters/")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Clusters")


def test_who_cancels_at_the_provider_is_told_so_and_may_try_again(new_context: Context, company: tuple[Pages, Provider, str]) -> None:
    pages, _, _ = company
    page = new_context(base_url=pages.url).new_page()
    page.goto("/accounts/login/")
    page.get_by_role("link", name="Sign in with Company ID").or_(page.get_by_role("button", name="Sign in with Company ID")).click()
    page.locator("a[href$='/abort']").click()
    expect(page.locator("body")).to_contain_text(re.compile("Company ID|provider", re.IGNORECASE))
    expect(page).to_have_url(re.compile(re.escape(pages.url)))
    page.goto("/w/team/jobs/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_notices_are_read_held_and_dismissed_by_key(new_context: Context, company: tuple[Pages, Provider, str]) -> None:
    page = _page(new_context, company, "contributor")
    page.clock.install()
    page.goto("/w/team/jobs/")
    box = page.locator("#toasts")
    expect(box).to_have_attribute("role", "status")
    say = "([text, tone]) => window.mooring.toast(text, tone)"
    page.evaluate(say, ["Kept.", "good"])
    page.evaluate(say, ["Kept.", "good"])
    note = box.locator(".note", has_text="Kept.")
    expect(note).to_have_count(1)
    note.hover()
    page.clock.fast_forward(60_000)
    expect(note).to_be_visible()
    page.mouse.move(5, 5)
    page.clock.fast_forward(3_000)
    expect(note).to_have_count(0)
    # One in which somebody stands stays, too; Escape takes it away, and the page has the focus again.
    page.evaluate(say, ["Copied.", "neutral"])
    box.get_by_role("button", name="Close this notice").focus()
    page.clock.fast_forward(60_000)
    expect(box).to_contain_text("Copied.")
    page.keyboard.press("Escape")
    expect(box.locator(".note")).to_have_count(0)
    expect(page.locator("#content")).to_be_focused()
    # What went wrong interrupts and stays until it is closed, whatever comes after it.
    page.evaluate(say, ["That did not work.", "wrong"])
    for number in range(5):
        page.evaluate(say, [f"Done {number}.", "good"])
    expect(box.locator(".note")).to_have_count(4)
    page.clock.fast_forward(60_000)
    expect(box.get_by_role("alert")).to_have_text("That did not work.")
    expect(box.locator(".note")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(box.locator(".note")).to_have_count(0)


def test_without_a_network_nothing_is_sent_and_what_was_typed_stays(
    new_context: Context, company: tuple[Pages, Provider, str], picture: Callable[[Page, str], None]
) -> None:
    page = _page(new_context, company, "owner")
    page.goto("/w/team/settings/")
    page.get_by_label("Display name").fill("Another name")
    page.context.set_offline(True)
    expect(page.locator("[data-offline]")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("You are offline: nothing was sent.")
    expect(page.get_by_label("Display name")).to_have_value("Another name")
    picture(page, "offline")
    page.context.set_offline(False)
    expect(page.locator("[data-offline]")).to_be_hidden()
    # A machine without a network that reaches the studio all the same, as one's own: nothing is withheld.
    page.evaluate("() => { Object.defineProperty(navigator, 'onLine', { get: () => false }); dispatchEvent(new Event('offline')) }")
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-offline]")).to_be_hidden()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved.")


def test_who_is_signed_out_is_told_keeps_what_was_typed_and_goes_on_after_signing_in_again(
    new_context: Context, company: tuple[Pages, Provider, str], picture: Callable[[Page, str], None]
) -> None:
    pages, _, _ = company
    context = new_context(base_url=pages.url)
    page = context.new_page()
    page.goto("/accounts/profile/")
    _sign_in(page)
    expect(page).to_have_url(re.compile("/accounts/profile/"))
    name = page.get_by_label("First name")
    name.fill("Rita")
    # The session ends elsewhere; the open page hears of it by its stream.
    token = next(one["value"] for one in context.cookies() if one["name"] == "csrftoken")
    assert page.request.post("/accounts/logout/", form={"csrfmiddlewaretoken": token}, headers={"Referer": pages.url}).ok
    expect(page.locator("[data-live-ended]")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("You are signed out: nothing was sent.")
    expect(name).to_have_value("Rita")
    picture(page, "signed-out")
    other = context.new_page()
    other.goto("/accounts/login/")
    _sign_in(other)
    expect(other).not_to_have_url(re.compile("/accounts/login/"))
    other.close()
    page.evaluate("() => dispatchEvent(new Event('focus'))")
    expect(page.locator("[data-live-ended]")).to_be_hidden()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved.")
    page.reload()
    expect(name).to_have_value("Rita")


def test_with_redis_away_pages_answer_and_changes_are_kept(
    new_context: Context, company: tuple[Pages, Provider, str], complaints: list[str], picture: Callable[[Page, str], None]
) -> None:
    """The last one of this file: Redis does not come back."""
    redis_url = company[2]
    page = _page(new_context, company, "admin")
    page.goto("/w/team/jobs/")
    expect(_dot(page)).to_contain_text("Live")
    with redis_client.Redis.from_url(redis_url) as client:
        client.shutdown(nosave=True)
    for path in ("/w/team/jobs/", "/ops/", "/ops/clusters/", "/notifications/"):
        before = time.monotonic()
        answer = page.goto(path)
        assert answer and answer.status == 200 and time.monotonic() - before < 15, path
    page.goto("/w/team/settings/")
    page.get_by_label("Description").fill("Kept without Redis")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved.")
    page.reload()
    expect(page.get_by_label("Description")).to_have_value("Kept without Redis")
    page.goto("/ops/system/")
    expect(page.locator("#content")).to_contain_text(re.compile("Redis.*(does not answer|away)", re.DOTALL | re.IGNORECASE))
    picture(page, "redis-away")
    # Anew: it comes in, and asks again by itself although no event comes.
    page.goto("/w/team/jobs/")
    expect(_dot(page)).to_be_visible()
    complaints.clear()


def _page(new_context: Context, company: tuple[Pages, Provider, str], who: str) -> Page:
    pages = company[0]
    context = new_context(base_url=pages.url)
    context.add_cookies([pages.cookie(who)])  # type: ignore[list-item]
    return context.new_page()


def _sign_in(page: Page) -> None:
    page.get_by_label("User name").fill("the-reader")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def _dot(page: Page) -> Locator:
    return page.locator("[data-live-dot]")
