"""What a program changes of its person's own account: the password is asked for each time, as a token alone must not do.

Pages ask again who is there by a session; a program has none, so that each of these calls brings the password.
"""

import json
import re
import time
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.base.internal.flows import check_rate_limit, delete_dangling_recovery_codes
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, validate_totp_code
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from studio.accounts.access import token_of
from studio.accounts.models import User
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.secrets import SecretUnreadable, seal, unseal
from studio.signin.breakglass import may_use_password
from studio.signin.limits import seconds_until_sign_in, sign_in_too_often
from studio.signin.passwords import check_password
from studio.signin.second_factor import FACTORS, has_second_factor, must_have_one
from studio.signin.trail import note_new_password

# For how long an app that was begun may be confirmed.
BEGUN_S = 600
_KINDS = {Authenticator.Type.TOTP: "authenticator app", Authenticator.Type.WEBAUTHN: "security key"}


def change_password(request: HttpRequest, user: User, *, current: str, new: str) -> None:
    """Change a person's own password: all other sessions end, tokens stay as they are."""
    if not may_use_password(user.username):
        raise ProblemError("password-sign-in-off", provider=settings.OIDC_NAME)
    prove(request, user, current, field="current_password")
    check_password(new, user, field="new_password")
    with transaction.atomic():
        user.set_password(new)
        user.save(update_fields=["password"])
        if token_of(user) is None:
            update_session_auth_hash(request, user)
        note_new_password(user, but=request.session.session_key or "")


def factors_of(user: User) -> dict[str, Any]:
    """Return what second factors a person has, without anything that opens with them."""
    rows = list(Authenticator.objects.filter(user=user).order_by("pk"))
    codes = next((row for row in rows if row.type == Authenticator.Type.RECOVERY_CODES), None)
    return {
        "needed": must_have_one(user),
        "factors": [
            {
                "id": row.pk,
                "kind": _KINDS[Authenticator.Type(row.type)],
                "name": row.wrap().name if row.type == Authenticator.Type.WEBAUTHN else "",
                "added_at": row.created_at,
                "last_used_at": row.last_used_at,
            }
            for row in rows
            if row.type in FACTORS
        ],
        "recovery_codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
    }


def begin_app(request: HttpRequest, user: User, *, password: str) -> dict[str, str]:
    """Return the secret of a new authenticator app, shown this once, and what confirms it for ten minutes."""
    prove(request, user, password)
    _refuse_a_second_app(user)
    secret = str(generate_totp_secret())
    begun = seal(json.dumps({"user": user.pk, "secret": secret, "at": int(time.time())}))
    return {"secret": secret, "address": get_factor_adapter().build_totp_url(user, secret), "begun": begun}


def confirm_app(user: User, *, begun: str, code: str) -> list[str]:
    """Add the authenticator app that was begun, once it makes the right codes; return recovery codes, shown this once."""
    secret = _begun(user, begun)
    try:
        forget_attempts = check_rate_limit(user)
    except ValidationError as error:
        raise sign_in_too_often(BEGUN_S // 2) from error
    if not validate_totp_code(secret, re.sub(r"\s", "", code)):
        raise ProblemError("second-factor-code-wrong", field="code")
    forget_attempts()
    _refuse_a_second_app(user)
    try:
        with transaction.atomic():
            TOTP.activate(user, secret)
            codes = RecoveryCodes.activate(user)
            unseen = [] if codes.did_view else codes.get_unused_codes()
            codes.mark_as_viewed()
            record(user, "added a second factor of", user, diff={"second factor": [None, _KINDS[Authenticator.Type.TOTP]]})
    except IntegrityError as error:
        raise ProblemError("second-factor-there") from error
    return unseen


def new_codes(request: HttpRequest, user: User, *, password: str) -> list[str]:
    """Return new recovery codes, shown this once; the old ones open nothing any more."""
    prove(request, user, password)
    if not has_second_factor(user):
        raise ProblemError("second-factor-none", name=user.username)
    with transaction.atomic():
        # Held, as two at once would both make codes.
        User.objects.select_for_update().get(pk=user.pk)
        Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).delete()
        codes = RecoveryCodes.activate(user)
        codes.mark_as_viewed()
        record(user, "added a second factor of", user, diff={"second factor": [None, "recovery codes"]})
    return list(codes.get_unused_codes())


def remove_factor(request: HttpRequest, user: User, factor: int, *, password: str) -> None:
    """Take away one of a person's own second factors; with the last one their recovery codes go."""
    row = Authenticator.objects.filter(user=user, pk=factor, type__in=FACTORS).first()
    if row is None:
        raise ProblemError("not-found")
    prove(request, user, password)
    with transaction.atomic():
        row.delete()
        delete_dangling_recovery_codes(user)
        record(user, "removed a second factor of", user, diff={"second factor": [_KINDS[Authenticator.Type(row.type)], None]})


def prove(request: HttpRequest, user: User, password: str, *, field: str = "password") -> None:
    """Refuse who does not know the person's password; attempts count as those of the sign-in page do."""
    if not user.has_usable_password():
        raise ProblemError("password-none")
    adapter = get_adapter(request)
    try:
        known = adapter.reauthenticate(user, password)
    except ValidationError as error:
        key = adapter._get_login_attempts_cache_key(request, username=user.username)
        raise sign_in_too_often(seconds_until_sign_in(request, key)) from error
    if not known:
        raise ProblemError("password-wrong", field=field)


def _refuse_a_second_app(user: User) -> None:
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        raise ProblemError("second-factor-there")


def _begun(user: User, begun: str) -> str:
    """Return the secret of what was begun by this person not long ago."""
    try:
        held = json.loads(unseal(begun))
        if held["user"] == user.pk and 0 <= time.time() - held["at"] <= BEGUN_S:
            return str(held["secret"])
    except (SecretUnreadable, ValueError, KeyError, TypeError):
        pass
    raise ProblemError("second-factor-not-begun", field="begun")
