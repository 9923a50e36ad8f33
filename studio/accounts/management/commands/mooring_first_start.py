"""What an empty studio needs before anyone can use it; a second run changes nothing."""

import json
import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from studio.accounts.models import ApiToken, Scope, User
from studio.accounts.services import first_administrator
from studio.core.versions import unknown_migrations


class Command(BaseCommand):
    help = "Make the first administrator (the password is printed once) and the command line's token for this machine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--migrate", action="store_true", help="Bring the database up to date first.")
        parser.add_argument("--url", default=os.environ.get("MOORING_URL", "http://127.0.0.1:8080"))

    def handle(self, *args: Any, **options: Any) -> None:
        if (settings.DATA / "restoring").exists():
            raise CommandError("A restore of this data folder was broken off. Run `mooring restore --replace` again, with the same file.")
        if options["migrate"]:
            if newer := _newer():
                raise CommandError(
                    f"The database was last used by a newer version of Mooring: it has {', '.join(newer[:3])}."
                    " Install that version or a newer one, or restore a backup of this version."
                )
            call_command("migrate", interactive=False, verbosity=0)
        made = first_administrator()
        if made:
            self.stdout.write(f"Administrator: {made[0].username}   Password: {made[1]}   (shown this once)")
        self._keep_a_token(options["url"])

    def _keep_a_token(self, url: str) -> None:
        """Leave a token for the `mooring` command in the data folder, where only this machine's user can read it."""
        path = settings.DATA / "run" / "cli-token.json"
        admin = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if admin is None:
            return
        if not kept.get("token") or ApiToken.owner_of(kept["token"]) is None:
            kept["token"] = ApiToken.issue(admin, name="command line on the studio's machine", scopes=Scope.values)[1]
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"url": url, "token": kept["token"]}, file)


def _newer() -> list[str]:
    """Return the migrations of the database that this version does not know."""
    return unknown_migrations(list(MigrationRecorder(connection).applied_migrations()))
