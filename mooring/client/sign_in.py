"""Get a token for a user name and a password, the way the sign-in page does it."""

from __future__ import annotations

import platform
import re
from html.parser import HTMLParser

import httpx

import mooring
from mooring.client.transport import lost, problem_of
from mooring.errors import MooringError

_PAGE = "/accounts/login/"


def token_for(url: str, username: str, password: str) -> str:
    """Sign in over the sign-in page, with its limits on guessing, and make a token; the session is left behind."""
    headers = {"User-Agent": f"mooring-cli/{mooring.__version__}", "Referer": f"{url}{_PAGE}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
            page = http.get(_PAGE)
            form = _Form()
            form.feed(page.text)
            if not page.is_success or "csrfmiddlewaretoken" not in form.hidden:
                raise problem_of(page)
            answer = http.post(_PAGE, data={**form.hidden, "login": username, "password": password})
            if not any(name.endswith("sessionid") for name in http.cookies):
                raise _refused(answer)
            secret = next((value for name, value in http.cookies.items() if name.endswith("csrftoken")), "")
            made = http.post(
                "/api/v1/me/tokens",
                json={"name": f"mooring on {platform.node()}"[:60]},
                headers={"X-CSRFToken": secret},
            )
            if not made.is_success:
                raise problem_of(made)
            return str(made.json()["token"])
    except httpx.TransportError as error:
        raise lost(url, error) from error


class _Form(HTMLParser):
    """The hidden fields of a page's forms."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden" and given.get("name"):
            self.hidden[str(given["name"])] = given.get("value") or ""


def _refused(answer: httpx.Response) -> MooringError:
    if answer.status_code == 429 or re.search(r"too many", answer.text, re.IGNORECASE):
        return MooringError("sign-in-too-often", "Too many attempts", "The studio takes no more sign-ins for now.", "Wait some minutes.")
    if answer.is_redirect:
        return MooringError(
            "sign-in-needs-browser",
            "Sign in with the browser",
            "The studio asks for more than a password.",
            "Make a token on your page in the studio and run `mooring login --token -`.",
        )
    return MooringError(
        "sign-in-refused",
        "Not signed in",
        "The user name or the password is not right.",
        "Try again, or make a token on your page in the studio and run `mooring login --token -`.",
    )
