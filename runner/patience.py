"""Try again what the world made fail, for as long as it makes sense."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from runner.errors import Damaged, Unavailable

Result = TypeVar("Result")

FIRST_WAIT = 0.2
LONGEST_WAIT = 10.0
# The same bytes damaged again and again are a fault of the store, not of the line.
DAMAGED_TRIES = 3


def persist(
    attempt: Callable[[], Result],
    remaining: Callable[[], float | None],
    say: Callable[[str], None],
    sleep: Callable[[float], object] = time.sleep,
) -> Result:
    """Call until it works; raise the last failure once no time remains (None: no limit).

    Only Unavailable and Damaged are tried again. Waits double up to ten seconds, each with jitter, so
    that a thousand pods do not come back at the same moment.
    """
    wait = FIRST_WAIT
    damaged = 0
    while True:
        try:
            return attempt()
        except (Unavailable, Damaged) as error:
            damaged += isinstance(error, Damaged)
            pause = wait * random.uniform(0.5, 1.0)
            left = remaining()
            if damaged >= DAMAGED_TRIES or (left is not None and left <= pause):
                raise
            say(f"{error.text} Trying again in {pause:.1f} s.")
            sleep(pause)
            wait = min(wait * 2, LONGEST_WAIT)
