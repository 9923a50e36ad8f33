"""Redis that stands still is asked once, not by each step of each request: everything it does is made good by the sweeps and pages.

One that is down refuses at once and costs nothing; one that does not answer costs its time-out each time.
"""

import contextlib
import time
from collections.abc import Iterator


class Away:
    """Say whether something that did not answer in time is left alone for now. Of one process."""

    def __init__(
        self, *, slow_seconds: float = 1.0, quiet_seconds: float = 5.0, errors: tuple[type[Exception], ...] = (Exception,)
    ) -> None:
        self._slow, self._quiet, self._errors = slow_seconds, quiet_seconds, errors
        self._until = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note when what is done here fails after a long wait; the error goes on its way."""
        began = time.monotonic()
        try:
            yield
        except self._errors:
            now = time.monotonic()
            if now - began > self._slow:
                self._until = now + self._quiet
            raise
        self._until = 0.0


REDIS = Away()
