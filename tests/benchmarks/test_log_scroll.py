"""What frames of scrolling come to."""

from benchmarks.log_scroll import frames


def test_frames_are_counted_by_the_times_at_which_they_began() -> None:
    steady = [number * 20.0 for number in range(101)]
    assert frames(steady) == {"fps": 50.0, "frame_p95_ms": 20.0, "frame_max_ms": 20.0}


def test_one_long_frame_is_told() -> None:
    found = frames([0.0, 10.0, 20.0, 120.0])
    assert (found["fps"], found["frame_max_ms"]) == (25.0, 100.0)
