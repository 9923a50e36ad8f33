"""Send the nudges of the schedule: `python -m studio.beat`.

Celery's own `beat` command loads every task and with it Django and the Kubernetes client (150 MB) only to send their
names. This sends the names from the settings alone, in a third of the memory, and keeps no file: every entry is an
interval, and a sweep that comes a few seconds late after a start is harmless.
"""

import signal
import sys
import time
from typing import Any

import redis
from celery.beat import Scheduler, Service
from django.conf import settings

from studio import alive
from studio.celery import app
from studio.system import pulse

# Less is what a clock is put right by all the time.
SET_BACK_SECONDS = 1.0


class NotedScheduler(Scheduler):  # type: ignore[misc]
    """Note in Redis when each nudge was sent, so that an administrator sees whether beat lives.

    Celery counts from the time at which an entry was last sent: with a clock that is set back it would send nothing until
    that time has come again. Here the count begins anew.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
        self._offset = time.time() - time.monotonic()
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due by the clock as it is now; return after how many seconds to come again."""
        offset = time.time() - time.monotonic()
        if offset < self._offset - SET_BACK_SECONDS:
            for entry in (self.schedule or {}).values():
                entry.last_run_at = entry.default_now()
            self._heap = None
        self._offset = offset
        return super().tick(*args, **kwargs)

    def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> Any:
        """Send an entry's task, and note it."""
        sent = super().apply_async(entry, *args, **kwargs)
        pulse.note(self.redis, pulse.SENT, entry.task)
        return sent


def main() -> None:
    """Send until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    alive.show()
    Service(app, scheduler_cls=NotedScheduler).start()


if __name__ == "__main__":
    main()
