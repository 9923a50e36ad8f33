"""The `mooring` command. Exit codes: 0 done, 1 a problem, 2 wrong usage, 3 the job failed, 130 interrupted."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; a problem is printed as what happened and what to do, never as a traceback."""
    from mooring.cli.app import app
    from mooring.errors import MooringError

    try:
        app()
    except MooringError as error:
        from mooring.cli.output import print_error

        print_error(error)
        sys.exit(1)
