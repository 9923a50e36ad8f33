"""Triggers that let the database itself refuse to change an audit entry, or to delete one before its time.

They are put in place after every `migrate` (apps.py): a migration that rebuilds a table in SQLite takes its triggers along.
What is older than `Retention` says may go; with no such row nothing may.
"""

from collections.abc import Iterable

from django.db import connections

TABLE = "audit_entry"
CHANGED = "an audit entry cannot be changed"
EARLY = "an audit entry cannot be deleted before its time"

_SQLITE_UP = (
    f"""CREATE TRIGGER IF NOT EXISTS {TABLE}_unchanged BEFORE UPDATE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{CHANGED}'); END""",
    f"""CREATE TRIGGER IF NOT EXISTS {TABLE}_kept BEFORE DELETE ON {TABLE}
        WHEN COALESCE(OLD.at > strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (SELECT days FROM audit_retention LIMIT 1) || ' days'), 1)
        BEGIN SELECT RAISE(ABORT, '{EARLY}'); END""",
)
_SQLITE_DOWN = tuple(f"DROP TRIGGER IF EXISTS {TABLE}_{name}" for name in ("unchanged", "kept"))
_POSTGRES_UP = (
    f"""CREATE OR REPLACE FUNCTION {TABLE}_guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP = 'DELETE' THEN
            IF OLD.at <= now() - make_interval(days => (SELECT days FROM audit_retention LIMIT 1)) THEN RETURN OLD; END IF;
            RAISE EXCEPTION '{EARLY}';
          END IF;
          IF TG_OP = 'TRUNCATE' THEN RAISE EXCEPTION '{EARLY}'; END IF;
          RAISE EXCEPTION '{CHANGED}';
        END $$""",
    f"""CREATE OR REPLACE TRIGGER {TABLE}_rows BEFORE UPDATE OR DELETE ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION {TABLE}_guard()""",
    f"CREATE OR REPLACE TRIGGER {TABLE}_whole BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_guard()",
)
_POSTGRES_DOWN = tuple(f"DROP TRIGGER IF EXISTS {TABLE}_{name} ON {TABLE}" for name in ("rows", "whole"))

UP = {"sqlite": _SQLITE_UP, "postgresql": _POSTGRES_UP}
DOWN = {"sqlite": _SQLITE_DOWN, "postgresql": _POSTGRES_DOWN}


def put_up(using: str = "default") -> None:
    """Make the triggers that are not there yet."""
    _run(using, UP[connections[using].vendor])


def _run(using: str, statements: Iterable[str]) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
