#!/usr/bin/env python
"""Run Django's management commands with the studio's settings."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import studio.celery  # noqa: F401 - becomes the current app, so that nudges know where to go

    execute_from_command_line(sys.argv)
