"""What an empty studio needs before anyone can use it; a second run changes nothing."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from studio import environment as env
from studio.accounts.models import ApiToken, Scope, User
from studio.accounts.services import first_administrator
from studio.core.files import replace_file
from studio.core.secrets import note_keys
from studio.core.versions import unknown_migrations

# Of the lock that PostgreSQL keeps while one of several first starts is at work; any number that nobody else takes.
AT_WORK = 0x6D6F6F72


class Command(BaseCommand):
    help = "Make the first administrator (the password is printed once) and the command line's token for this machine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--migrate", action="store_true", help="Bring the database up to date first.")
        parser.add_argument("--no-token", action="store_true", help="Leave no token in the data folder: this is no person's machine.")
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="Wait so long for a database that is not there yet.")
        parser.add_argument("--url", default=os.environ.get("MOORING_URL", "http://127.0.0.1:8080"))

    def handle(self, *args: Any, **options: Any) -> None:
        if (settings.DATA / "restoring").exists():
            raise CommandError("A restore of this data folder was broken off. Run `mooring restore --replace` again, with the same file.")
        self._wait_for_database(options["wait"])
        with _alone():
            self._prepare(migrate=options["migrate"])
        if not options["no_token"]:
            self._keep_a_token(options["url"])

    def _wait_for_database(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection.ensure_connection()
                return
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise CommandError(f"The database does not answer: {error}") from error
                self.stderr.write("The database does not answer yet")
                time.sleep(min(2.0, seconds))

    def _prepare(self, *, migrate: bool) -> None:
        if migrate:
            if newer := _newer():
                raise CommandError(
                    f"The database was last used by a newer version of Mooring: it has {', '.join(newer[:3])}."
                    " Install that version or a newer one, or restore a backup of this version."
                )
            call_command("migrate", interactive=False, verbosity=0)
        note_keys()
        # Shown before it holds: of a start that is killed in between the next one makes another, and none is made that nobody saw.
        with transaction.atomic():
            made = first_administrator(password=_given_password)
            if made:
                shown = f"Password: {made[1]}   (shown this once)" if made[1] else "with the password that was given"
                self.stdout.write(f"Administrator: {made[0].username}   {shown}")
                self.stdout.flush()

    def _keep_a_token(self, url: str) -> None:
        """Leave a token for the `mooring` command in the data folder, where only this machine's user can read it."""
        path = settings.DATA / "run" / "cli-token.json"
        admin = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        kept = kept_token(path)
        if admin is None:
            return
        if not kept.get("token") or ApiToken.owner_of(kept["token"]) is None:
            kept["token"] = ApiToken.issue(admin, name="command line on the studio's machine", scopes=Scope.values)[1]
        replace_file(path, json.dumps({"url": url, "token": kept["token"]}), mode=0o600)


def kept_token(path: Path) -> dict[str, Any]:
    """Return what was left for the command line; nothing where it is missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _given_password() -> str:
    """Return the first administrator's password where one is set, held to the rules for passwords."""
    given = env.text("MOORING_ADMIN_PASSWORD")
    if given:
        try:
            validate_password(given)
        except ValidationError as error:
            raise CommandError(f"MOORING_ADMIN_PASSWORD cannot be taken: {' '.join(error.messages)}") from error
    return given


@contextmanager
def _alone() -> Iterator[None]:
    """Let the first starts of several pods go one after the other; whoever comes second finds nothing to do.

    The lock is the session's: it goes with the connection, however this process ends.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [AT_WORK])
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [AT_WORK])


def _newer() -> list[str]:
    """Return the migrations of the database that this version does not know."""
    return unknown_migrations(list(MigrationRecorder(connection).applied_migrations()))
