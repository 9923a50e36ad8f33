"""Leave what stays for good out of what is looked through for garbage.

A web process holds some 230,000 objects once it is loaded and 60,000 more once it has shown each page; looking through all of
them took 200 ms, about every fifty pages, in which nobody was answered (docs/decisions/0014-garbage.md).
"""

import gc
from typing import Any

# Of so many whole collections what is left then is taken for good: compiled templates, caches that fill as they are used.
# Not of all: what goes later, in a circle, would never be found.
FIRST = 4


def keep_what_is_loaded() -> None:
    """Take all that there is now for good; so too what the next whole collections leave."""
    gc.collect()
    gc.freeze()
    gc.callbacks.append(_Settling())


class _Settling:
    def __init__(self) -> None:
        self.left = FIRST

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == 2:
            gc.freeze()
            self.left -= 1
            if not self.left:
                gc.callbacks.remove(self)
