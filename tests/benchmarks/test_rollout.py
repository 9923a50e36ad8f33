"""What the benchmark of rollouts makes of the requests that failed."""

from benchmarks.load import Answers, Failure
from benchmarks.rollout import Step, is_alive, is_ready, of_pod, summed

UID = "0c6e0f4e-1111-2222-3333-444455556666"


def test_a_failure_belongs_to_the_step_during_which_it_was_due() -> None:
    steps = [Step("traffic", 0, 10), Step("image change", 10, 30)]
    answers = Answers(seconds=[0.01, 0.5], failures=[Failure(10, 10, 11, 503, "no"), Failure(29, 29, 31, 0, "closed")], sent=4)
    found = summed(answers, steps)
    assert (found["requests"], found["not_2xx"], found["in_flight_killed"], found["slowest_ms"]) == (4, 2, 0, 500.0)
    assert found["by_step"]["traffic"] == {"seconds": 10, "not_2xx": 0}
    assert found["by_step"]["image change"] == {"seconds": 20, "not_2xx": 2}
    assert found["by_status"] == {"503": 1, "0": 1}
    assert found["failures"][0]["step"] == "image change"


def test_only_what_was_under_way_when_a_pod_was_killed_is_told_apart() -> None:
    steps = [Step("pod killed 1", 0, 20, killed=(5.0, 5.01))]
    before, under_way, after = Failure(4, 4, 4.9, 503, ""), Failure(4.99, 4.995, 5.02, 503, ""), Failure(5.02, 5.02, 5.03, 503, "")
    found = summed(Answers(failures=[before, under_way, after], sent=3), steps)
    assert (found["in_flight_killed"], found["not_2xx"], found["killing_ms"]) == (1, 2, [10.0])


def test_a_pods_processes_are_known_by_their_cgroup_of_either_form() -> None:
    assert of_pod(f"0::/kubepods/burstable/pod{UID}/abc", UID)
    assert of_pod(f"0::/kubepods.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-abc.scope", UID)
    assert not of_pod("0::/user.slice", UID)


def test_a_pod_is_ready_when_its_condition_says_so() -> None:
    assert is_ready({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert not is_ready({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    assert not is_ready({"status": {}})


def test_a_process_has_ended_when_it_is_gone_or_only_waits_to_be_seen_off() -> None:
    assert is_alive("12 (python (3)) S 1 12")
    assert not is_alive("12 (python) Z 1 12")
    assert not is_alive("")
