"""One mechanism for every POST: a request that comes again with its Idempotency-Key gets the answer of the first.

The key is claimed before the operation runs and the answer kept for a day. What was refused is not kept: nothing was made,
so that the same key may be used again. A claim whose process died is free again after ten minutes.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import salted_hmac

from studio.api.models import KeptAnswer
from studio.api.roles import ask_for_role
from studio.core.errors import ProblemError

HEADER = "Idempotency-Key"
KEPT = timedelta(days=1)
ABANDONED = timedelta(minutes=10)
LONGEST_KEY = 100
LONGEST_BODY = 1024 * 1024


def once(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Run a POST at most once under the key that it came with; everything else runs as it is."""

    @wraps(operation)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER, "")
        if request.method != "POST" or not key:
            return operation(request, *args, **kwargs)
        claim = _claim(request, key)
        if claim.status is not None:
            # Who has lost the role since is not told again what was made.
            ask_for_role(request)
            again = HttpResponse(claim.body, status=claim.status, content_type="application/json; charset=utf-8")
            again["Idempotent-Replayed"] = "true"
            return again
        request.claim = claim  # type: ignore[attr-defined]
        try:
            answer = operation(request, *args, **kwargs)
        except BaseException:
            _release(claim)
            raise
        if isinstance(answer, HttpResponseBase):
            _release(claim)
        return answer

    return guarded


def keep(request: HttpRequest, response: HttpResponse) -> None:
    """Keep the answer to a request that came with a key."""
    claim: KeptAnswer | None = getattr(request, "claim", None)
    if claim is None:
        return
    if response.status_code >= 300 or len(response.content) > LONGEST_BODY:
        _release(claim)
        return
    claim.status, claim.body = response.status_code, response.content.decode()
    claim.save(update_fields=["status", "body"])


def forget_old() -> int:
    """Remove answers that were kept long enough; return how many."""
    return KeptAnswer.objects.filter(at__lt=timezone.now() - KEPT).delete()[0]


def _claim(request: HttpRequest, key: str) -> KeptAnswer:
    """Return the row of a key: new and without a status for the first, with the answer for those who come after."""
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise ProblemError("idempotency-key-invalid", limit=LONGEST_KEY)
    user: Any = request.user
    # Under the studio's own key: a body may hold a password, which nobody is to guess from what is kept.
    whole = "\n".join([request.method or "", request.get_full_path(), ""]).encode() + request.body
    asked = salted_hmac("studio.api.idempotency", whole, algorithm="sha256").hexdigest()
    now = timezone.now()
    rows = KeptAnswer.objects.filter(user=user, key=key)
    over = Q(at__lt=now - KEPT) | Q(status=None, at__lt=now - ABANDONED)
    for _ in range(2):
        try:
            with transaction.atomic():
                return KeptAnswer.objects.create(user=user, key=key, asked=asked)
        except IntegrityError:
            # Mostly a key is new: only now it is worth asking whether the row of it has had its time.
            if not rows.filter(over).delete()[0]:
                break
    found = rows.first()
    if found is None:
        raise ProblemError("idempotency-key-at-work")
    if found.asked != asked:
        raise ProblemError("idempotency-key-reused", key=key)
    if found.status is None:
        raise ProblemError("idempotency-key-at-work")
    return found


def _release(claim: KeptAnswer) -> None:
    KeptAnswer.objects.filter(pk=claim.pk).delete()
