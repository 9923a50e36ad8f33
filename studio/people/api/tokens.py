"""API operations on everyone's tokens; for administrators."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from studio.accounts.access import require_admin
from studio.accounts.models import ApiToken
from studio.core.errors import ProblemError
from studio.people import selectors, shown, tokens
from studio.people.lists import TOKENS
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["people"])
TokensQuery: Any = list_query(TOKENS)


@router.get("/tokens")
def list_tokens(request: HttpRequest, given: Query[TokensQuery]) -> dict[str, Any]:
    """List everyone's tokens that work, newest first; `show` gives those that ended, or all."""
    require_admin(request.user)
    return listed_rows(request, TOKENS, selectors.tokens_shown(), given, show=shown.token)


@router.delete("/tokens/{token_id}", response={204: None})
def revoke_any_token(request: HttpRequest, token_id: int) -> tuple[int, None]:
    """Revoke anybody's token."""
    require_admin(request.user)
    token = ApiToken.objects.filter(pk=token_id).first()
    if token is None:
        raise ProblemError("not-found")
    tokens.revoke_token(request.user, token)
    return 204, None
