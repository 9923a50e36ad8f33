"""Find people."""

from django.db.models import Count, Q, QuerySet

from studio.accounts.models import User


def users_like(*, text: str = "", role: str = "", state: str = "") -> QuerySet[User]:
    """Return people whose names or address contain each word, with a role (operator, administrator, none), in a state.

    The state is active, inactive or deleted; without one, all but the deleted.
    """
    rows = User.objects.annotate(spaces=Count("memberships", distinct=True))
    for word in text.split()[:6]:
        either = Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word) | Q(email__icontains=word)
        rows = rows.filter(either)
    roles = {"administrator": Q(is_superuser=True), "operator": Q(is_operator=True), "none": Q(is_superuser=False, is_operator=False)}
    if role:
        rows = rows.filter(roles.get(role, Q(pk=None)))
    states = {"active": Q(is_active=True), "inactive": Q(is_active=False, deleted_at=None), "deleted": Q(deleted_at__isnull=False)}
    return rows.filter(states.get(state, Q(deleted_at=None)))
