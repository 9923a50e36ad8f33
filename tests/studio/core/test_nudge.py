"""Messages for workers: what nobody waits for comes after what somebody does."""

import pytest
from kombu import Queue

from studio.celery import app
from studio.core.nudge import nudge, waiting
from studio.live import bus


@pytest.mark.django_db(transaction=True)
def test_what_is_to_come_last_does_and_is_counted_with_the_rest() -> None:
    nudge("jobs.remove", 1, last=True)
    nudge("jobs.start", 2)
    nudge("jobs.remove", 3)
    assert waiting(bus.client()) == {"kube": 3, "stream": 0}
    with app.connection_for_read() as connection, connection.SimpleQueue(Queue("kube")) as queue:
        taken = [queue.get(timeout=10) for _ in range(3)]
        assert [(one.headers["task"], one.headers["argsrepr"]) for one in taken] == [
            ("jobs.start", "[2]"),
            ("jobs.remove", "[3]"),
            ("jobs.remove", "[1]"),
        ]
        for one in taken:
            one.ack()
    assert waiting(bus.client()) == {"kube": 0, "stream": 0}
