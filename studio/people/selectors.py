"""Find people, workspaces, members, invitations and tokens, with what their lists count beside them."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from compute.models import Compute
from studio.accounts.models import RANK, ApiToken, Invitation, Membership, User, Workspace
from studio.signin.second_factor import FACTORS


def everyone() -> QuerySet[User]:
    """Return all people, the deleted among them, with how many workspaces each is in and whether a second factor is set up."""
    factors = Authenticator.objects.filter(user=OuterRef("pk"), type__in=FACTORS)
    return User.objects.annotate(spaces=_counted(Membership, "user"), factor=Exists(factors))


def workspaces_counted(rows: QuerySet[Workspace] | None = None) -> QuerySet[Workspace]:
    """Return workspaces, all unless some are given, with how many members and computes each has."""
    found = Workspace.objects.all() if rows is None else rows
    return found.annotate(people=_counted(Membership, "workspace"), compute_count=_counted(Compute, "workspace"))


def members_of(workspace: Workspace) -> QuerySet[Membership]:
    """Return who may do what in a workspace; `rank` puts owners above contributors above readers."""
    ranks = Case(*(When(role=role, then=Value(rank)) for role, rank in RANK.items()), default=Value(0), output_field=IntegerField())
    return Membership.objects.filter(workspace=workspace).select_related("user").annotate(rank=ranks)


def invitations_shown(rows: QuerySet[Invitation] | None = None) -> QuerySet[Invitation]:
    """Return invitations and password links with whom and what they name."""
    found = Invitation.objects.all() if rows is None else rows
    return found.select_related("user", "created_by", "accepted_by").prefetch_related("roles__workspace")


def tokens_shown(rows: QuerySet[ApiToken] | None = None) -> QuerySet[ApiToken]:
    """Return tokens with their person and where they reach."""
    found = ApiToken.objects.all() if rows is None else rows
    return found.select_related("user", "made_with").prefetch_related("workspaces")


def still_open() -> Q:
    """Return what an invitation that can still be accepted passes."""
    return Q(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())


def over() -> Q:
    """Return what an invitation passes that nobody took up and nobody can any more."""
    return Q(accepted_at=None) & (Q(expires_at__lte=timezone.now()) | Q(revoked_at__isnull=False))


def works() -> Q:
    """Return what a token passes with which a program still gets in."""
    return Q(revoked_at=None, user__is_active=True) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def _counted(model: Any, field: str) -> Coalesce:
    # A part of its own for each count: joined, they would multiply each other.
    rows = model.objects.filter(**{field: OuterRef("pk")}).order_by().values(field).annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(rows, output_field=IntegerField()), Value(0))
