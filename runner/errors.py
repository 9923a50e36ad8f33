"""What can go wrong beside a job.

RunnerError
├── Refused        the studio says no; trying again changes nothing
├── Unavailable    the world's failure; worth trying again
├── Damaged        bytes arrived that are not the ones asked for
└── Unsafe         a file tree that would leave its folder
"""

from __future__ import annotations


class RunnerError(Exception):
    """A failure with the id of the problem that the studio explains."""

    def __init__(self, id: str, text: str) -> None:
        super().__init__(text)
        self.id = id
        self.text = text


class Refused(RunnerError):
    """The studio answered with a status that will not change."""

    def __init__(self, id: str, text: str, status: int) -> None:
        super().__init__(id, text)
        self.status = status


class Unavailable(RunnerError):
    """The studio cannot be reached, or says that it cannot answer now."""


class Damaged(RunnerError):
    """A digest or a size does not match."""


class Unsafe(RunnerError):
    """A path, a link or a device that no file tree of a job may hold."""
