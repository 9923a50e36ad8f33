"""The studio as an ASGI application."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
# The queue's app becomes the current one, so that nudges know where to go.
from studio.celery import app

# People wait for it here: a Redis that stands still has this long to take a nudge. A worker waits as long as it takes.
app.conf.broker_transport_options = {**app.conf.broker_transport_options, "socket_timeout": 2, "socket_connect_timeout": 2}

django.setup(set_prefix=False)

# Only now: these need Django's apps.
from studio.core.bodies import LimitedBodies  # noqa: E402
from studio.core.serving import Handler  # noqa: E402
from studio.known import why_no_body  # noqa: E402
from studio.live.entering import a_few_at_a_time  # noqa: E402

application = LimitedBodies(a_few_at_a_time(Handler()), why_no_body)
