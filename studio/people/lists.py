"""The lists of people, invitations, workspaces, members and tokens, declared: page, CSV and API read them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from studio.accounts.models import ApiToken, Invitation, Membership, Role, Scope, User, Workspace
from studio.people import selectors, tokens
from studio.tables.declared import Bulk, Choice, Column, Line, Option, Show, Since, Table, register_table, titled
from studio.tables.narrowing import mentions

_SITE_ROLES = {
    "administrator": ("Administrator", Q(is_superuser=True)),
    "operator": ("IT operations", Q(is_operator=True)),
    "none": ("None", Q(is_superuser=False, is_operator=False)),
}
_FACTOR = {"set": ("Set up", Q(factor=True)), "none": ("None", Q(factor=False))}
_MEMBER_STATES = {"active": ("Active", Q(user__is_active=True)), "inactive": ("Deactivated", Q(user__is_active=False))}
_IDLE = (("30", "For 30 days"), ("90", "For 90 days"), ("365", "For a year"))
# Somebody made them, and they have never come: no password of their own yet, and no sign-in.
_NEW = Q(last_login=None, password__startswith="!")  # noqa: S106 the mark of a password that opens nothing


def _one_of(named: dict[str, tuple[str, Q]]) -> Callable[[QuerySet[Any], Sequence[str]], QuerySet[Any]]:
    def narrow(rows: QuerySet[Any], values: Sequence[str]) -> QuerySet[Any]:
        return rows.filter(Q(*(named[value][1] for value in values if value in named), _connector=Q.OR))

    return narrow


def _options(named: dict[str, tuple[str, Q]]) -> list[Option]:
    return [(key, title) for key, (title, _) in named.items()]


def _idle(rows: QuerySet[User], values: Sequence[str]) -> QuerySet[User]:
    days = min((int(value) for value in values if value.isdecimal() and len(value) < 5), default=0)
    return rows.filter(Q(last_login=None) | Q(last_login__lt=timezone.now() - timedelta(days=days)))


def _in_workspace(rows: QuerySet[User], values: Sequence[str]) -> QuerySet[User]:
    return rows.filter(Exists(Membership.objects.filter(user=OuterRef("pk"), workspace__name__in=values)))


def _reaches(rows: QuerySet[ApiToken], values: Sequence[str]) -> QuerySet[ApiToken]:
    through = ApiToken.workspaces.through.objects.filter(apitoken_id=OuterRef("pk"), workspace__name__in=values)
    return rows.filter(Q(everywhere=True) | Exists(through))


def _brings(rows: QuerySet[Invitation], values: Sequence[str]) -> QuerySet[Invitation]:
    return rows.filter(user__isnull=False) if set(values) == {"password"} else rows.filter(user=None) if set(values) == {"roles"} else rows


def _may(rows: QuerySet[ApiToken], values: Sequence[str]) -> QuerySet[ApiToken]:
    return rows.filter(Q(*(Q(scopes__icontains=f'"{value}"') for value in values if value in Scope.values), _connector=Q.OR))


def _tokens_like(*fields: str) -> Callable[[QuerySet[ApiToken], str], QuerySet[ApiToken]]:
    def search(rows: QuerySet[ApiToken], text: str) -> QuerySet[ApiToken]:
        # Who pastes how a token begins, or all of it, finds it by the part that is kept.
        words = [word[4:12] if word.startswith("mrg_") else word for word in text.split()]
        return rows.filter(mentions(" ".join(words), fields))

    return search


def _workspace_names(rows: QuerySet[Any]) -> list[Option]:
    return titled(Workspace.objects.values_list("name", flat=True)[:200])


def _token_people(rows: QuerySet[ApiToken]) -> list[Option]:
    found = User.objects.filter(Exists(rows.filter(user=OuterRef("pk")))).order_by("username")
    return titled(found.values_list("username", flat=True)[:200])


def _inviters(rows: QuerySet[Invitation]) -> list[Option]:
    found = rows.exclude(created_by=None).order_by("created_by__username").values_list("created_by__username", flat=True).distinct()
    return titled(found[:200])


def _site_roles(line: Line) -> str:
    return ", ".join(["administrator"] * line.row.is_superuser + ["IT operations"] * line.row.is_operator)


def _member_state(line: Line) -> str:
    return "active" if line.row.user.is_active else "inactive"


def _brought(line: Line) -> str:
    row = line.row
    if row.user_id:
        return "a new password"
    held = ["administrator"] * row.is_admin + ["IT operations"] * row.is_operator
    return ", ".join([*held, *(f"{one.workspace.name}: {one.role}" for one in row.roles.all())])


def _where(line: Line) -> str:
    return "everywhere" if line.row.everywhere else ", ".join(sorted(one.name for one in line.row.workspaces.all()))


USERS = register_table(
    Table(
        key="users",
        noun="person",
        nouns="people",
        whose="admin",
        icon="users",
        cells="people/cells.html",
        empty="Nobody was here yet.",
        columns=(
            Column("username", "User name", sort="username"),
            Column("full_name", "Name", cell="full-name", sort="first_name", value=lambda line: line.row.get_full_name()),
            Column("email", "E-mail", sort="email", shown=False, css="mono"),
            Column("state", "State", cell="user-state", css="state-cell", value=lambda line: line.extra["state"]),
            Column("roles", "Site-wide roles", cell="site-roles", value=_site_roles),
            Column("spaces", "Workspaces", sort="spaces", number=True),
            Column("factor", "Second factor", shown=False, value=lambda line: "set up" if line.row.factor else "none"),
            Column("last_login", "Last sign-in", cell="last-sign-in", sort="last_login"),
            Column("created", "Created", sort="id", value=lambda line: line.row.date_joined),
        ),
        sort="-created",
        shows=(
            Show("all", "All", lambda person: Q(deleted_at=None)),
            Show("active", "Active", lambda person: Q(is_active=True) & ~_NEW),
            Show("new", "Not signed in yet", lambda person: Q(is_active=True) & _NEW),
            Show("inactive", "Deactivated", lambda person: Q(is_active=False, deleted_at=None)),
            Show("deleted", "Deleted", lambda person: Q(deleted_at__isnull=False)),
        ),
        filters=(
            Choice("role", "Site-wide role", _options(_SITE_ROLES), counted=True, narrow=_one_of(_SITE_ROLES)),
            Choice("workspace", "Workspace", _workspace_names, free=True, narrow=_in_workspace),
            Choice("factor", "Second factor", _options(_FACTOR), counted=True, narrow=_one_of(_FACTOR)),
            Choice("idle", "Not signed in", _IDLE, counted=True, narrow=_idle),
            Since("since", "Created", "date_joined"),
        ),
        search=("username", "first_name", "last_name", "email"),
        placeholder="Name, user name or e-mail",
        actions=(Bulk("sign-out", "Sign out"), Bulk("reactivate", "Let in again"), Bulk("deactivate", "Deactivate", danger=True)),
    )
)

INVITATIONS = register_table(
    Table(
        key="invitations",
        noun="invitation",
        whose="admin",
        icon="user-plus",
        cells="people/cells.html",
        empty="Links that let new people in, and those over which people set a new password, will be listed here.",
        columns=(
            Column("name", "For", cell="invited", sort="name", value=lambda line: line.row.name),
            Column("email", "E-mail", sort="email", shown=False, css="mono"),
            Column("state", "State", cell="invitation-state", css="state-cell", value=lambda line: line.extra["state"]),
            Column("brings", "Brings", cell="brings", css="wide", value=_brought),
            Column("created_by", "Made by", sort="created_by__username",
                   value=lambda line: line.row.created_by.username if line.row.created_by else "the studio"),
            Column("created", "Made", sort="id", value=lambda line: line.row.created_at),
            Column("expires_at", "Ends", sort="expires_at"),
            Column("accepted_at", "Accepted", sort="accepted_at", shown=False),
        ),
        sort="-created",
        shows=(
            Show("all", "All"),
            Show("open", "Open", lambda person: selectors.still_open()),
            Show("accepted", "Accepted", lambda person: Q(accepted_at__isnull=False)),
            Show("over", "Over", lambda person: selectors.over()),
        ),
        filters=(
            Choice("kind", "Brings", [("roles", "A new person"), ("password", "A new password")], counted=True, narrow=_brings),
            Choice("by", "Made by", _inviters, field="created_by__username", free=True),
            Since("since", "Made", "created_at"),
        ),
        search=("name", "email"),
        placeholder="Name or e-mail",
        actions=(Bulk("withdraw", "Withdraw", danger=True),),
    )
)  # fmt: skip

WORKSPACES = register_table(
    Table(
        key="workspaces",
        noun="workspace",
        whose="operator",
        icon="users",
        cells="people/cells.html",
        empty="Make one for each team.",
        columns=(
            Column("name", "Name", cell="workspace", sort="name", value=lambda line: line.row.name),
            Column("display_name", "Display name", cell="display-name", sort="display_name", css="wide"),
            Column("people", "Members", sort="people", number=True),
            Column("computes", "Computes", sort="compute_count", number=True, value=lambda line: line.row.compute_count),
            Column("created", "Created", sort="id", value=lambda line: line.row.created_at),
            Column("archived_at", "Archived", sort="archived_at", shown=False),
            Column("description", "Description", shown=False, css="wide"),
        ),
        sort="name",
        shows=(
            Show("all", "All"),
            Show("used", "In use", lambda person: Q(archived_at=None)),
            Show("archived", "Archived", lambda person: Q(archived_at__isnull=False)),
        ),
        filters=(Since("since", "Created", "created_at"),),
        search=("name", "display_name", "description"),
        placeholder="Name or description",
    )
)

MEMBERS = register_table(
    Table(
        key="members",
        noun="member",
        icon="users",
        cells="people/cells.html",
        empty="Administrators own this workspace; add who works in it.",
        columns=(
            Column("username", "User name", cell="member", sort="user__username", value=lambda line: line.row.user.username),
            Column("full_name", "Name", sort="user__first_name", value=lambda line: line.row.user.get_full_name()),
            Column("email", "E-mail", sort="user__email", shown=False, css="mono", value=lambda line: line.row.user.email),
            Column("role", "Role", cell="role", sort="rank", css="role-cell", value=lambda line: line.row.get_role_display()),
            Column("state", "State", cell="member-state", css="state-cell", value=_member_state),
        ),
        sort="-role",
        filters=(
            Choice("role", "Role", Role.choices, counted=True),
            Choice("state", "State", _options(_MEMBER_STATES), counted=True, narrow=_one_of(_MEMBER_STATES)),
        ),
        search=("user__username", "user__first_name", "user__last_name", "user__email"),
        placeholder="Name, user name or e-mail",
    )
)

TOKENS = register_table(
    Table(
        key="tokens",
        noun="token",
        whose="admin",
        icon="key",
        cells="people/cells.html",
        empty="What programs act with for people will be listed here.",
        columns=(
            Column("name", "Name", cell="token", sort="name", value=lambda line: line.row.name),
            Column("prefix", "Begins with", shown=False, css="mono", value=lambda line: f"mrg_{line.row.prefix}"),
            Column("person", "Person", cell="token-person", sort="user__username", value=lambda line: line.row.user.username),
            Column("scopes", "May", cell="scopes", css="wide"),
            Column("where", "Where", cell="where", value=_where),
            Column("last_used_at", "Last use", cell="last-use", sort="last_used_at"),
            Column("ends", "Ends", cell="token-ends", sort="expires_at", value=lambda line: line.row.expires_at),
            Column("state", "State", shown=False, value=lambda line: tokens.state_of(line.row)),
            Column("created", "Made", sort="id", shown=False, value=lambda line: line.row.created_at),
        ),
        sort="-created",
        shows=(
            Show("active", "Active", lambda person: selectors.works()),
            Show("ended", "Ended", lambda person: ~selectors.works()),
            Show("all", "All"),
        ),
        filters=(
            Choice("user", "Person", _token_people, field="user__username", free=True),
            Choice("scope", "May", Scope.choices, counted=True, narrow=_may),
            Choice("workspace", "Reaches", _workspace_names, free=True, narrow=_reaches),
            Since("since", "Made", "created_at"),
        ),
        search=_tokens_like("name", "user__username", "prefix"),
        placeholder="Token, person or how it begins",
        actions=(Bulk("revoke", "Revoke", danger=True),),
    )
)

OWN_TOKENS = register_table(
    replace(
        TOKENS,
        key="own-tokens",
        whose="everyone",
        columns=tuple(one for one in TOKENS.columns if one.key != "person"),
        filters=tuple(one for one in TOKENS.filters if one.key not in ("user", "workspace")),
        search=_tokens_like("name", "prefix"),
        placeholder="Name or how it begins",
    )
)

