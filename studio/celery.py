"""The task queue: nudges for rows, legs of the stream, and the sweeps that make lost nudges harmless.

The database row is the queue and a message is only a nudge: results are ignored, messages may be lost or doubled.
"""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_failure, task_postrun, task_prerun, worker_ready
from django.conf import settings
from django.db import close_old_connections
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

app = Celery("mooring")
app.config_from_object(
    {
        "broker_url": settings.CELERY_BROKER_URL,
        "task_default_queue": "kube",
        "task_queues": [Queue("kube", routing_key="kube"), Queue("stream", routing_key="stream")],
        "task_acks_late": True,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {"visibility_timeout": 3600, "socket_keepalive": True},
        "timezone": "UTC",
        "beat_schedule": {
            # Each sweep finds what it needs in the database; a missed or doubled one is harmless.
            "stream": {"task": "jobs.keep_streaming", "schedule": 5.0, "options": {"queue": "stream", "expires": 5}},
            "jobs": {"task": "jobs.sweep", "schedule": 5.0, "options": {"expires": 5}},
            "endpoints": {"task": "endpoints.sweep", "schedule": 5.0, "options": {"expires": 5}},
            "clusters": {"task": "compute.sweep", "schedule": 10.0, "options": {"expires": 10}},
            "networks": {"task": "compute.sweep_network", "schedule": 10.0, "options": {"expires": 10}},
            "content": {"task": "assets.collect", "schedule": 3600.0, "options": {"expires": 3600}},
            "audit": {"task": "audit.delete_old", "schedule": 3600.0, "options": {"expires": 3600}},
            "answers": {"task": "api.forget_answers", "schedule": 3600.0, "options": {"expires": 3600}},
            "figures": {"task": "endpoints.sample_all", "schedule": 10.0, "options": {"expires": 10}},
        },
    }
)


@setup_logging.connect
def _keep_the_studios_logging(**_: object) -> None:
    """Leave logging as Django's settings made it."""


@worker_ready.connect
def _show_that_it_works(**_: object) -> None:
    """Show, to whoever watches this process, that it takes tasks."""
    from studio import alive
    from studio.core.garbage import keep_what_is_loaded

    keep_what_is_loaded()
    alive.show()


# Celery closes the database after each task: opened anew, it takes longer than many a task. Django's own rule holds instead.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize


@task_prerun.connect
@task_postrun.connect
def _fresh_connections(sender: Any = None, **_: object) -> None:
    """Close what is too old or broken, as around a request (CONN_MAX_AGE); a task that its caller runs itself shares their transaction."""
    if not getattr(getattr(sender, "request", None), "is_eager", False):
        close_old_connections()


@task_failure.connect
def _keep_what_failed(sender: Any = None, task_id: str = "", exception: BaseException | None = None, **_: object) -> None:
    """Keep the failure where an administrator sees it."""
    from studio.system.failures import note_failure

    if sender is not None and exception is not None:
        note_failure(str(sender.name), task_id, exception)


@task_postrun.connect
def _note_that_it_ran(sender: Any = None, **_: object) -> None:
    """Note when a task last ended."""
    from studio.live.bus import client
    from studio.system import pulse

    if sender is not None:
        pulse.note(client(), pulse.RAN, str(sender.name))


app.autodiscover_tasks(["compute", "compute.network", "jobs", "endpoints", "studio.assets", "studio.audit", "studio.api"])
