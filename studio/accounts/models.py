"""People, workspaces, who may do what in them, invitations, and the tokens with which programs act for people."""

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from studio.core.caller import caller, with_token
from studio.core.storage import write_if_possible

WORKSPACE_NAME = RegexValidator(r"\A[a-z]([a-z0-9-]{0,30}[a-z0-9])?\Z", "2 to 32 lower-case letters, digits and dashes, a letter first")


class User(AbstractUser):
    """A person. `is_operator` is the site-wide role of IT operations; `is_superuser` that of the administrator."""

    is_operator = models.BooleanField(default=False)
    # Changed to end every session of the person for good: also those that would come back when they are let in again.
    session_epoch = models.CharField(max_length=32, blank=True)
    # A person who was deleted keeps their name, so that the log stays true and nobody else gets it.
    deleted_at = models.DateTimeField(null=True, blank=True)

    # The token with which this request came, when a program acts for the person.
    token: "ApiToken | None" = None

    @property
    def is_admin(self) -> bool:
        return self.is_superuser

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # As Django's own, which knows the password alone.
        salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
        return salted_hmac(salt, self.password + self.session_epoch, secret=secret, algorithm="sha256").hexdigest()


class Workspace(models.Model):
    """What a team works in: jobs, models and endpoints belong to one, and nobody outside sees them."""

    name = models.CharField(max_length=32, unique=True, validators=[WORKSPACE_NAME])
    display_name = models.CharField(max_length=100, blank=True)
    description = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # An archived workspace can be looked at, and nothing in it changes until it is brought back.
    archived_at = models.DateTimeField(null=True, blank=True)
    members = models.ManyToManyField(User, through="Membership", related_name="workspaces")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """Roles in a workspace; each includes those below it."""

    OWNER = "owner", "Owner"
    CONTRIBUTOR = "contributor", "Contributor"
    READER = "reader", "Reader"


RANK = {Role.READER.value: 0, Role.CONTRIBUTOR.value: 1, Role.OWNER.value: 2}


class Membership(models.Model):
    """One person's role in one workspace."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.READER)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "workspace"], name="one_role_a_workspace"),)

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.workspace}"


class Scope(models.TextChoices):
    """What a token may do besides; every token may read what its person may see."""

    READ = "read", "Read"
    JOBS = "jobs", "Jobs"
    MODELS = "models", "Models"
    ENDPOINTS = "endpoints", "Endpoints"
    WORKSPACES = "workspaces", "Workspaces"
    OPERATE = "operate", "Operate"
    ADMIN = "admin", "Administer"
    ACCOUNT = "account", "Account"


def usual_scopes() -> list[str]:
    """Return all scopes but that of making further tokens."""
    return [scope.value for scope in Scope if scope != Scope.ACCOUNT]


class ApiToken(models.Model):
    """A secret with which a program acts for a person; only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=usual_scopes)
    # Else only in `workspaces`, and nowhere when these are gone.
    everywhere = models.BooleanField(default=True)
    workspaces = models.ManyToManyField(Workspace, related_name="+", blank=True)
    made_with = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def is_over(self) -> bool:
        """Tell whether its end has passed."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @classmethod
    def issue(cls, user: User, *, name: str, expires_at: datetime | None = None, **fields: Any) -> tuple["ApiToken", str]:
        """Make a token for `user`; return the row and the secret, which is never to be had again."""
        prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        clear = f"mrg_{prefix}_{secret}"
        return cls.objects.create(user=user, name=name, prefix=prefix, digest=digest_of(clear), expires_at=expires_at, **fields), clear

    @classmethod
    def of(cls, clear: str) -> "ApiToken | None":
        """Return the token whose secret this is, or None when there is none or it was revoked."""
        prefix = clear[4:12] if clear.startswith("mrg_") else ""
        row = cls.objects.select_related("user").filter(prefix=prefix, revoked_at=None).first()
        # Compare even when there is no such row, and as many characters, so that the time taken tells nothing.
        return row if hmac.compare_digest(row.digest if row else _NO_DIGEST, digest_of(clear)) else None

    @classmethod
    def owner_of(cls, clear: str) -> User | None:
        """Return the active person whose token this is, or None; the person carries it as `token`.

        The last use is noted at most once a minute, and whenever the address changes.
        """
        row = cls.of(clear)
        if row is None:
            return None
        now = timezone.now()
        if not row.user.is_active or row.is_over:
            return None
        address = caller().address or row.last_used_from
        if row.last_used_at is None or (now - row.last_used_at).total_seconds() > 60 or address != row.last_used_from:
            used = cls.objects.filter(pk=row.pk)
            write_if_possible(lambda: used.update(last_used_at=now, last_used_from=address))
        with_token(row.pk, row.name)
        row.user.token = row
        return row.user


class Invitation(models.Model):
    """A link that works once: for a new person, or (`user`) for one who sets a new password. Only its hash is kept."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="password_links")
    # Whom it is for, in the inviter's words; an address gets the link by mail where mail is set up.
    name = models.CharField(max_length=150)
    email = models.EmailField(blank=True)
    is_operator = models.BooleanField(default=False)
    is_admin = models.BooleanField(default=False)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return self.name


class InvitedRole(models.Model):
    """A role in a workspace that comes with an invitation."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="roles")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.READER)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["invitation", "workspace"], name="one_invited_role_a_workspace"),)

    def __str__(self) -> str:
        return f"{self.role} of {self.workspace}"


# No token's: as long as a digest, and nothing hashes to it.
_NO_DIGEST = "-" * 64


def digest_of(clear: str) -> str:
    """Return what is kept of a secret that the studio made."""
    # It has 256 random bits: a plain hash is enough, no slow one is needed.
    return hashlib.sha256(clear.encode()).hexdigest()
