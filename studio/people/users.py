"""Make people, change what they may do in the whole studio, and take them out at once."""

import secrets
import unicodedata
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from studio.accounts.models import ApiToken, Invitation, Membership, User
from studio.accounts.services import administrators_held, withdraw_invitations_of
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.words import check_words
from studio.people import problems  # noqa: F401 - its problems are raised from here
from studio.people.changing import change
from studio.signin import sessions
from studio.signin.passwords import check_password

NAMES = {"is_operator": "operator", "is_superuser": "administrator"}


def create_user(
    actor: Any, *, username: str, full_name: str = "", email: str = "", operator: bool = False, admin: bool = False, password: str = ""
) -> User:
    """Make a person; without `password` nobody can sign in as them until they set one over a link."""
    user = User(username=User.normalize_username(username.strip()), email=checked_email(email), is_operator=operator)
    user.first_name, user.last_name = names_of(full_name)
    user.is_superuser = user.is_staff = admin
    check_username(user.username)
    if password:
        check_password(password, user)
        user.set_password(password)
    else:
        user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            roles = [word for field, word in NAMES.items() if getattr(user, field)]
            record(actor, "created", user, diff={"roles": [None, roles]} if roles else {})
    except IntegrityError as error:
        raise ProblemError("name-taken", field="username", what="person", name=user.username) from error
    return user


def edit_user(actor: Any, user: User, *, full_name: str | None = None, email: str | None = None) -> User:
    """Change how a person is called and reached."""
    wanted: dict[str, Any] = {}
    if full_name is not None:
        wanted["first_name"], wanted["last_name"] = names_of(full_name)
    if email is not None:
        wanted["email"] = checked_email(email)
    _refuse_deleted(user)
    with transaction.atomic():
        if diff := change(user, **wanted):
            record(actor, "changed", user, diff=diff)
    return user


def set_roles(actor: Any, user: User, *, operator: bool | None = None, admin: bool | None = None) -> User:
    """Give or take the roles that hold in the whole studio; one active administrator always stays."""
    wanted = {}
    if operator is not None:
        wanted["is_operator"] = operator
    if admin is not None:
        wanted["is_superuser"] = wanted["is_staff"] = admin
    _refuse_deleted(user)
    with transaction.atomic():
        if admin is False:
            _keep_an_administrator(user)
        diff = change(user, **wanted)
        if diff.get("is_superuser") == [True, False]:
            withdraw_invitations_of(actor, user)
        if told := {NAMES[field]: values for field, values in diff.items() if field in NAMES}:
            record(actor, "changed the roles of", user, diff=told)
    return user


def deactivate_user(actor: Any, user: User) -> User:
    """Let a person in no more: sessions, tokens and open links end with the same transaction, live streams seconds later."""
    _refuse_deleted(user)
    with transaction.atomic():
        _keep_an_administrator(user)
        if change(user, is_active=False):
            record(actor, "deactivated", user, diff=_end_everything(actor, user))
    return user


def reactivate_user(actor: Any, user: User) -> User:
    """Let a person in again; what ended when they were deactivated stays ended."""
    _refuse_deleted(user)
    with transaction.atomic():
        if change(user, is_active=True):
            record(actor, "reactivated", user)
    return user


def delete_user(actor: Any, user: User) -> User:
    """Delete a person for good: roles, tokens, password and address go, the name stays so that the audit stays true."""
    _refuse_deleted(user)
    with transaction.atomic():
        _keep_an_administrator(user)
        change(user, deleted_at=timezone.now())
        roles = {one.workspace.name: [one.role, None] for one in user.memberships.select_related("workspace")}
        record(actor, "deleted", user, diff=_end_everything(actor, user) | roles)
        for rows in (Membership, Authenticator, SocialAccount):
            rows.objects.filter(user=user).delete()
        user.set_unusable_password()
        roles_gone = dict.fromkeys(("is_active", "is_operator", "is_superuser", "is_staff"), False)
        names_gone = dict.fromkeys(("first_name", "last_name", "email"), "")
        User.objects.filter(pk=user.pk).update(**roles_gone, **names_gone, password=user.password)
    user.refresh_from_db()
    return user


def end_every_session(actor: Any, user: User, *, why: str = "") -> None:
    """End every session of a person for good, also those that no list knows of."""
    with transaction.atomic():
        if not sessions.end_sessions(actor, user, why=why):
            # Sessions that no list knows of end as well, so it is written down either way.
            record(actor, "ended the sessions of", user, diff={"sessions": [[], why or None]})
        User.objects.filter(pk=user.pk).update(session_epoch=secrets.token_hex(8))


def state_of(user: User) -> str:
    """Return how a person stands: active, new (has not signed in yet), inactive or deleted."""
    if user.deleted_at:
        return "deleted"
    if not user.is_active:
        return "inactive"
    return "new" if user.last_login is None and not user.has_usable_password() else "active"


def check_username(username: str) -> None:
    """Refuse a user name that Django's own rules refuse, and one that is somebody's in another spelling."""
    try:
        User._meta.get_field("username").clean(username, None)
    except ValidationError as error:
        raise ProblemError("user-name-invalid", field="username", name=username, why=" ".join(error.messages)) from error
    # Databases differ in which letters they hold to be the same; there are few people, and one is seldom made.
    wanted = _folded(username)
    if any(_folded(name) == wanted for name in User.objects.values_list("username", flat=True).iterator()):
        raise ProblemError("name-taken", field="username", what="person", name=username)


def _folded(name: str) -> str:
    """Return a name as it is compared: without case, and with letters that only look different as one (Unicode, NFKC_Casefold)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def checked_email(email: str) -> str:
    """Return the address as it is kept."""
    email = User.objects.normalize_email(email.strip())
    try:
        if email:
            validate_email(email)
    except ValidationError as error:
        raise ProblemError("user-email-invalid", field="email", email=email) from error
    return email


def names_of(full_name: str) -> tuple[str, str]:
    """Return what Django keeps as first and last name."""
    first, _, last = " ".join(full_name.split()).partition(" ")
    if max(len(first), len(last)) > 150:
        raise ProblemError("request-invalid", field="full_name", text="The name is longer than 150 letters.")
    check_words(full_name=full_name)
    return first, last


def _refuse_deleted(user: User) -> None:
    if user.deleted_at:
        raise ProblemError("user-deleted", name=user.username)


def _keep_an_administrator(user: User) -> None:
    """Refuse to lose the last active administrator."""
    if administrators_held() == {user.pk}:
        raise ProblemError("user-last-administrator", name=user.username)


def _end_everything(actor: Any, user: User) -> dict[str, Any]:
    end_every_session(actor, user, why="may not come in")
    now = timezone.now()
    tokens = ApiToken.objects.filter(user=user, revoked_at=None)
    names = sorted(tokens.values_list("name", flat=True))
    tokens.update(revoked_at=now)
    Invitation.objects.filter(user=user, accepted_at=None, revoked_at=None).update(revoked_at=now)
    withdraw_invitations_of(actor, user)
    return {"sessions": ["open", "ended"], **({"programs": [names, []]} if names else {})}
