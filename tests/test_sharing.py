"""Tests that may not meet are in one group, whoever writes a new one."""

from tests.sharing import ALONE, EARLY, JOBS, LONG, ROUTER, TESTS, group_of


def test_who_uses_the_router_is_in_its_group() -> None:
    assert {group_of(file) for file in ROUTER} == {"router"}
    assert {group_of(file) for file in JOBS} == {"jobs"}
    assert group_of("cluster/test_kube_client.py") == "cluster/test_kube_client.py"


def test_a_file_by_itself_is_its_own_group() -> None:
    assert group_of("runner/test_serve.py") == "runner/test_serve.py"


def test_every_file_that_is_named_exists() -> None:
    assert [file for file in (*ROUTER, *JOBS, *ALONE, *EARLY, *LONG) if not (TESTS / file).is_file()] == []
