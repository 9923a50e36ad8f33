"""Get a token for a user name and a password, the way the sign-in page does it."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from html.parser import HTMLParser

import httpx

import mooring
from mooring.client.transport import lost, problem_of, trusted
from mooring.errors import MooringError

_PAGE = "/accounts/login/"


# Where the studio leads to when it wants a second step.
_SECOND = "/accounts/2fa/authenticate/"
_TOKEN = "Make a token on your page in the studio and run `mooring login --token -`."  # noqa: S105 a sentence


def token_for(url: str, username: str, password: str, code: Callable[[], str] | None = None) -> str:
    """Sign in over the sign-in page, with its limits on guessing, and make a token; the session ends again.

    `code` is asked for a code of the authenticator app, or a recovery code, when the account has a second factor.
    """
    headers = {"User-Agent": f"mooring-cli/{mooring.__version__}", "Referer": f"{url}{_PAGE}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=30, verify=trusted(url)) as http:
            answer = _sent(http, _PAGE, {"login": username, "password": password})
            if answer.headers.get("Location", "").startswith(_SECOND):
                if code is None:
                    raise _needs_browser()
                answer = _sent(http, _SECOND, {"code": code()})
            if not answer.is_redirect:
                raise _refused(answer)
            secret = next((value for name, value in http.cookies.items() if name.endswith("csrftoken")), "")
            made = http.post(
                "/api/v1/me/tokens",
                json={"name": f"mooring on {platform.node()}"[:60]},
                headers={"X-CSRFToken": secret},
            )
            if not made.is_success:
                raise problem_of(made)
            http.post("/accounts/logout/", headers={"X-CSRFToken": secret})
            return str(made.json()["token"])
    except httpx.TransportError as error:
        raise lost(url, error) from error


def _sent(http: httpx.Client, path: str, fields: dict[str, str]) -> httpx.Response:
    """Fill in the form of a page and send it."""
    page = http.get(path)
    form = _Form()
    form.feed(page.text)
    if not page.is_success or "csrfmiddlewaretoken" not in form.hidden:
        raise problem_of(page)
    if form.inputs and not set(fields) <= form.inputs:
        raise _needs_browser()
    return http.post(path, data={"csrfmiddlewaretoken": form.hidden["csrfmiddlewaretoken"], **fields})


class _Form(HTMLParser):
    """The fields of a page's forms: names of all, values of the hidden ones."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.inputs: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("name"):
            self.inputs.add(str(given["name"]))
        if tag == "input" and given.get("type") == "hidden" and given.get("name"):
            self.hidden[str(given["name"])] = given.get("value") or ""


def _needs_browser() -> MooringError:
    return MooringError("sign-in-needs-browser", "Sign in with the browser", "The studio asks for more than a password.", _TOKEN)


def _refused(answer: httpx.Response) -> MooringError:
    if answer.status_code == 429 or re.search(r"too many", answer.text, re.IGNORECASE):
        seconds = answer.headers.get("Retry-After", "")
        wait = f"Wait {seconds} seconds." if seconds.isdigit() else "Wait some minutes."
        return MooringError("sign-in-too-often", "Too many attempts", "The studio takes no more sign-ins for now.", wait)
    if answer.status_code == 403 and "password-sign-in-off" in answer.text:
        return MooringError("password-sign-in-off", "Passwords are switched off", "The studio takes no passwords.", _TOKEN)
    wrong = "The code" if _SECOND in str(answer.request.url) else "The user name or the password"
    return MooringError("sign-in-refused", "Not signed in", f"{wrong} is not right.", f"Try again. {_TOKEN}")
