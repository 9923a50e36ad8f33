"""What the benchmark of deploying reads from a pod, and what it makes of its rounds."""

from datetime import UTC, datetime
from typing import Any

from benchmarks.deploy import parts, summed

BEGAN = datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC).timestamp()
POD: dict[str, Any] = {
    "metadata": {"creationTimestamp": "2026-01-02T03:04:06Z"},
    "status": {
        "conditions": [
            {"type": "Initialized", "status": "True", "lastTransitionTime": "2026-01-02T03:04:07Z"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:10Z"},
        ],
        "containerStatuses": [{"state": {"running": {"startedAt": "2026-01-02T03:04:08Z"}}}],
    },
}


def test_the_pods_own_times_say_where_time_went() -> None:
    assert parts([POD], BEGAN) == {"pod_made_at": 0.5, "prepared_at": 1.5, "started_at": 2.5, "ready_at": 4.5}


def test_what_has_not_happened_is_left_out() -> None:
    waiting = {"metadata": POD["metadata"], "status": {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "x"}]}}
    assert parts([waiting], BEGAN) == {"pod_made_at": 0.5}
    assert parts([], BEGAN) == {}


def test_the_figure_is_the_median_and_the_worst_is_beside_it() -> None:
    assert summed([{"seconds": 4.0}, {"seconds": 9.0}, {"seconds": 5.0}]) == {"seconds": 5.0, "worst_seconds": 9.0}
