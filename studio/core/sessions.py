"""Sessions in the database; who is signed in may look also while nothing can be written there.

What a page remembers in a session on the way (the last workspace, the time zone) is not worth a refusal. Signing in and out is:
there the error goes on its way.
"""

import structlog
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError

from studio.core.storage import storage_id

log = structlog.get_logger(__name__)


class SessionStore(db.SessionStore):
    """Django's own, but for a change that the database or its disk did not take."""

    def save(self, must_create: bool = False) -> None:
        """Save the session; raises UpdateError when it has ended meanwhile."""
        try:
            super().save(must_create)
        except UpdateError as error:
            # Django answers it with a bare 400, whatever the reason was.
            if not storage_id(error.__context__):
                raise
            log.warning("a session was not saved", error=str(error.__context__))
