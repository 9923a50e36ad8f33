"""What `mooring backup` and `mooring restore` run: one JSON line on standard error, a problem or what was done."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from studio.core.errors import ProblemError
from studio.system.backup.archive import ArchiveError
from studio.system.backup.databases import DatabaseToolError
from studio.system.backup.restoring import Restored, restore
from studio.system.backup.taking import Taken, take


class Command(BaseCommand):
    help = "Take a backup of everything that the studio keeps, or put one back."
    # The database may be empty, older or newer than this version.
    requires_migrations_checks = False
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=("take", "restore"))
        parser.add_argument("file")
        parser.add_argument("--without-keys", action="store_true")
        parser.add_argument("--replace", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        file = options["file"]
        try:
            if options["what"] == "take":
                _tell(asdict(_take(file, keys=not options["without_keys"])))
            else:
                _tell(asdict(_restore(file, replace=options["replace"])))
        except ProblemError as error:
            _tell(error.as_dict())
            sys.exit(1)


def _tell(what: dict[str, Any]) -> None:
    # Standard output may be the backup itself.
    print(json.dumps(what), file=sys.stderr, flush=True)


def _take(file: str, *, keys: bool) -> Taken:
    try:
        return take(file, keys=keys)
    except FileExistsError:
        raise ProblemError("backup-in-the-way", file=file) from None
    except (OSError, ArchiveError, DatabaseToolError) as error:
        raise ProblemError("backup-failed", why=str(error)) from error


def _restore(file: str, *, replace: bool) -> Restored:
    try:
        return restore(file, replace=replace)
    except (OSError, DatabaseToolError) as error:
        raise ProblemError("restore-broken-off", why=str(error)) from error
