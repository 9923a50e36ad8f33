"""API operations on everyone's tokens; for administrators."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from studio.accounts.access import require_admin
from studio.accounts.models import ApiToken
from studio.api.paging import After, Limit, page
from studio.core.errors import ProblemError
from studio.people import shown, tokens

router = Router(tags=["people"])


@router.get("/tokens")
def list_tokens(
    request: HttpRequest, q: str = "", user: str = "", state: str = "", limit: Limit = 50, after: After = None
) -> dict[str, Any]:
    """List everyone's tokens, newest first; `state` is active or ended."""
    require_admin(request.user)
    rows = ApiToken.objects.filter(user__username=user) if user else ApiToken.objects.all()
    return page(tokens.tokens_like(rows, text=q, state=state), limit=limit, after=after, show=shown.token)


@router.delete("/tokens/{token_id}", response={204: None})
def revoke_any_token(request: HttpRequest, token_id: int) -> tuple[int, None]:
    """Revoke anybody's token."""
    require_admin(request.user)
    token = ApiToken.objects.filter(pk=token_id).first()
    if token is None:
        raise ProblemError("not-found")
    tokens.revoke_token(request.user, token)
    return 204, None
