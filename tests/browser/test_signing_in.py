"""Signing in and one's own account in Chromium, with its virtual authenticator for keys and passkeys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.studio_process import Studio

pytestmark = pytest.mark.browser
# Passkeys belong to a name: at an address of numbers browsers allow none.
Picture = Callable[[Page, str], None]


def add_authenticator(page: Page, *, resident: bool = True) -> None:
    """Plug a key into the browser that confirms by itself."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal" if resident else "usb", "hasResidentKey": resident, "hasUserVerification": resident,
        "isUserVerified": resident, "automaticPresenceSimulation": True,
    }  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_passkeys_keys_and_sessions(studio_alone: Studio, new_context: Callable[..., BrowserContext], picture: Picture) -> None:
    password = studio_alone.cli("break-glass").stdout.split("Password: ")[1].split()[0]
    here = studio_alone.url.replace("127.0.0.1", "localhost")
    page = new_context(base_url=here).new_page()
    add_authenticator(page)
    page.goto("/accounts/sessions/")
    picture(page, "sign-in")
    sign_in(page, password)
    expect(page.get_by_text("this one")).to_be_visible()
    for path, name in (("profile", "profile"), ("password", "password"), ("2fa/totp/activate", "second-factor-app")):
        page.goto(f"/accounts/{path}/")
        picture(page, f"account-{name}")

    # A passkey is added, and signs in by itself.
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Add a key").click()
    page.get_by_role("textbox", name="Name").fill("This laptop")
    page.get_by_role("checkbox", name="Passkey").check()
    page.get_by_role("button", name="Use the key").click()
    expect(page.locator("#recovery-codes")).to_contain_text("\n")
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("li", has_text="This laptop")).to_contain_text("passkey")
    picture(page, "account-second-factor")
    page.context.clear_cookies()
    page.goto("/accounts/sessions/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(f"{here}/accounts/sessions/")
    expect(page.locator("tbody tr")).to_have_count(2)
    picture(page, "account-sessions")

    # After a password the key is the second step; then it is asked for once more, when the change is sensitive.
    page.context.clear_cookies()
    page.goto("/accounts/login/?next=/accounts/2fa/")
    sign_in(page, password)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    picture(page, "second-step")
    page.get_by_role("button", name="Use the key").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()

    # A session that is ended in one browser is over in the other.
    other = new_context(base_url=here).new_page()
    add_authenticator(other)
    other.goto("/accounts/login/?next=/accounts/2fa/")
    sign_in(other, password)
    expect(other.get_by_role("heading", name="Second step")).to_be_visible()
    other.get_by_label("Code").fill(page_codes(page))
    other.get_by_role("button", name="Go on").click()
    expect(other.get_by_role("heading", name="Your account")).to_be_visible()
    page.goto("/accounts/sessions/")
    page.get_by_role("button", name="End all others").click()
    page.get_by_role("button", name="End them").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    other.reload()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()

    # Taken away again: the next sign-in takes the password alone.
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Remove This laptop").click()
    page.get_by_role("button", name="Remove the key").click()
    expect(page.get_by_text("You have none yet.")).to_be_visible()


def page_codes(page: Page) -> str:
    """Make new recovery codes and return one of them."""
    page.goto("/accounts/2fa/recovery-codes/generate/")
    page.get_by_role("button", name="Make new codes").click()
    return page.locator("#recovery-codes").inner_text().split()[0]
