"""The studio as an ASGI application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
# The queue's app becomes the current one, so that nudges know where to go.
import studio.celery  # noqa: F401

application = get_asgi_application()
