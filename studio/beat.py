"""Send the nudges of the schedule: `python -m studio.beat`.

Celery's own `beat` command loads every task and with it Django and the Kubernetes client (150 MB) only to send their
names. This sends the names from the settings alone, in a third of the memory, and keeps no file: every entry is an
interval, and a sweep that comes a few seconds late after a start is harmless.
"""

import signal
import sys

from celery.beat import Scheduler, Service

from studio.celery import app


def main() -> None:
    """Send until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Service(app, scheduler_cls=Scheduler).start()


if __name__ == "__main__":
    main()
