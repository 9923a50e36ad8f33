"""A replica's log as a program reads it: followed from its last lines, gone on with after a break, ended with the replica."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from endpoints import following_out
from endpoints.following import log_of, path_of
from endpoints.models import Deployment, Replica, ReplicaLog
from studio.accounts.models import Membership
from tests.conftest import People

URL = "/api/v1/workspaces/team/online-endpoints/flowers/deployments/blue"
LOG = b"one\ntwo\nthree\n"


@pytest.fixture
def replica(make_endpoint: Callable[..., Any], make_deployment: Callable[..., Deployment], settings: Any, tmp_path: Any) -> Replica:
    """Make a replica whose log was taken as far as it goes, and is over."""
    settings.DATA = tmp_path
    found: Replica = make_deployment(make_endpoint()).replicas.get()
    row = log_of(found, "inference-server")
    path_of(row).parent.mkdir(parents=True)
    path_of(row).write_bytes(LOG)
    ReplicaLog.objects.filter(pk=row.pk).update(size=len(LOG), read_at=timezone.now(), ended=True)
    return found


def followed(client: Any, **query: Any) -> tuple[bytes, Any]:
    answer = client.get(f"{URL}/logs", {"follow": "true", **query})
    assert answer.status_code == 200, answer.content

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)(), answer


@pytest.mark.parametrize(("lines", "found"), [(2, b"two\nthree\n"), (50, LOG), (0, b"")])
def test_it_begins_with_the_last_lines_and_says_of_which_replica(
    people: People, client_for: Any, replica: Replica, lines: int, found: bytes
) -> None:
    body, answer = followed(client_for(people.reader), lines=lines)
    assert body == found
    told = {name: answer[f"X-Log-{name}"] for name in ("Pod", "Offset", "Ended")}
    assert told == {"Pod": replica.pod_name, "Offset": str(len(LOG) - len(found)), "Ended": "true"}


def test_it_goes_on_from_an_offset(people: People, client_for: Any, replica: Replica) -> None:
    assert followed(client_for(people.reader), pod=replica.pod_name, offset=4)[0] == b"two\nthree\n"


def test_what_comes_while_somebody_reads_is_sent_and_looking_keeps_it_coming(
    people: People, client_for: Any, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ReplicaLog.objects.get()
    ReplicaLog.objects.update(ended=False)
    monkeypatch.setattr(following_out, "ASK_S", 0)
    asked: list[bool] = []

    def over(id: int, watcher: Any) -> bool:
        asked.append(real(id, watcher))
        if len(asked) == 2:
            with path_of(row).open("ab") as file:
                file.write(b"four\n")
        if len(asked) == 4:
            ReplicaLog.objects.update(ended=True)
        return asked[-1]

    real = following_out._over
    monkeypatch.setattr(following_out, "_over", over)
    assert followed(client_for(people.reader), lines=1)[0] == b"three\nfour\n"
    row.refresh_from_db()
    assert row.wanted_until is not None and asked[0] is False


def test_it_ends_for_who_may_not_see_it_any_longer_and_with_its_replica(people: People, replica: Replica) -> None:
    row = ReplicaLog.objects.get()
    ReplicaLog.objects.update(ended=False)
    assert following_out._over(row.pk, people.reader) is False
    Membership.objects.filter(user=people.reader).delete()
    assert following_out._over(row.pk, people.reader) is True
    replica.delete()
    assert following_out._over(row.pk, people.owner) is True


@pytest.mark.parametrize(
    ("query", "status"),
    [({"pod": "other"}, 404), ({"container": "other"}, 404), ({"previous": "true"}, 422)],
)
def test_what_cannot_be_followed_is_refused(people: People, client_for: Any, replica: Replica, query: dict[str, str], status: int) -> None:
    assert client_for(people.reader).get(f"{URL}/logs", {"follow": "true", **query}).status_code == status


def test_the_containers_of_each_replica_are_listed(people: People, client_for: Any, replica: Replica) -> None:
    Replica.objects.update(restarts=2)
    rows = client_for(people.reader).get(f"{URL}/containers").json()["items"]
    assert [(row["pod"], row["container"], row["state"], row["previous"]) for row in rows] == [
        (replica.pod_name, "inference-server", "ready", True), (replica.pod_name, "prepare", "ended", False),
    ]  # fmt: skip
    Replica.objects.update(state="preparing", ready=False)
    rows = client_for(people.reader).get(f"{URL}/containers").json()["items"]
    assert [row["state"] for row in rows] == ["waiting", "preparing"]
