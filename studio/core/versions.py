"""Which versions of the database this version of the studio knows."""

from collections.abc import Iterable, Sequence

from django.db.migrations.loader import MigrationLoader


def unknown_migrations(applied: Iterable[Sequence[str]]) -> list[str]:
    """Return which of a database's migrations, as (app, name), this version does not have; those of apps that are gone do not count."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = set(loader.disk_migrations)
    known |= {(old[0], old[1]) for one in loader.disk_migrations.values() for old in one.replaces}
    apps = {app for app, _ in known}
    return sorted(f"{app}.{name}" for app, name in applied if app in apps and (app, name) not in known)
