"""API operations of the caller on themselves: who they are, and their tokens."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from mooring import __version__
from studio.accounts.access import role_in, token_of, workspaces_of
from studio.accounts.models import ApiToken
from studio.api.bodies import RequestBody
from studio.core.errors import ProblemError
from studio.people import selectors, shown, tokens
from studio.people.lists import OWN_TOKENS
from studio.people.users import names_of
from studio.signin import preferences
from studio.signin.profile import change_profile
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["people"])
OwnTokensQuery: Any = list_query(OWN_TOKENS)


class TokenIn(RequestBody):
    """A token to make: what it is for, what it may do, where, and for how many days."""

    name: str = Field(min_length=1, max_length=60)
    scopes: list[str] | None = None
    workspaces: list[str] = []
    days: int | None = Field(None, ge=0, le=100_000)


class ProfileChange(RequestBody):
    """What people change of themselves; what is not given stays. An empty time zone is that of the browser."""

    full_name: str | None = None
    time_zone: str | None = None
    theme: Literal["auto", "light", "dark"] | None = None


@router.patch("/me")
def change_me(request: HttpRequest, given: ProfileChange) -> dict[str, Any]:
    """Change how the caller is called, and how pages look to them."""
    user: Any = request.user
    names = dict(zip(("first_name", "last_name"), names_of(given.full_name), strict=True)) if given.full_name is not None else {}
    change_profile(user, user, **names, time_zone=given.time_zone, theme=given.theme)
    return me(request)


@router.get("/me")
def me(request: HttpRequest) -> dict[str, Any]:
    """Tell who the caller is and what they may use."""
    user: Any = request.user
    spaces = [{"name": space.name, "role": role_in(user, space)} for space in workspaces_of(user)]
    looks = preferences.of(user)
    roles = {"operator": user.is_operator or user.is_admin, "administrator": user.is_admin}
    answer = {
        "studio_version": __version__,
        "username": user.username,
        "full_name": user.get_full_name(),
        "roles": roles,
        "workspaces": spaces,
        "time_zone": looks.time_zone or None,
        "theme": looks.theme,
    }
    token = token_of(user)
    return answer | ({"token": shown.token(token)} if token else {})


@router.get("/me/tokens")
def list_my_tokens(request: HttpRequest, given: Query[OwnTokensQuery]) -> dict[str, Any]:
    """List the caller's own tokens that work, newest first; `show` gives those that ended, or all."""
    rows = selectors.tokens_shown(ApiToken.objects.filter(user=request.user))  # type: ignore[misc]
    return listed_rows(request, OWN_TOKENS, rows, given, show=shown.token)


@router.post("/me/tokens", response={201: dict[str, Any]})
def make_token(request: HttpRequest, given: TokenIn) -> tuple[int, dict[str, Any]]:
    """Make a token for the caller and show it this once; a token can make only weaker ones, with the scope `account`."""
    token, clear = tokens.make_token(request.user, **given.model_dump())
    return 201, shown.token(token) | {"token": clear}


@router.delete("/me/tokens/{token_id}", response={204: None})
def revoke_my_token(request: HttpRequest, token_id: int) -> tuple[int, None]:
    """Revoke one of the caller's own tokens."""
    token = ApiToken.objects.filter(pk=token_id, user=request.user).first()  # type: ignore[misc]
    if token is None:
        raise ProblemError("not-found")
    tokens.revoke_token(request.user, token)
    return 204, None


@router.delete("/me/token", response={204: None})
def revoke_this_token(request: HttpRequest) -> tuple[int, None]:
    """Revoke the token that this request came with."""
    token = token_of(request.user)
    if token:
        tokens.revoke_token(request.user, token)
    return 204, None
