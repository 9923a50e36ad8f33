"""What `mooring reseal` runs: one JSON line on standard error, a problem or how many secrets were sealed anew."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from studio.core.errors import ProblemError
from studio.system.resealing import check_known, reseal


class Command(BaseCommand):
    help = "Seal every stored secret anew with the newest key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--running", action="store_true", help="A studio runs on this data folder: it must know the newest key.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["running"]:
                check_known()
            told = asdict(reseal())
        except ProblemError as error:
            told = error.as_dict()
        print(json.dumps(told), file=sys.stderr, flush=True)
        if "id" in told:
            sys.exit(1)
