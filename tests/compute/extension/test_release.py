"""What Helm keeps of a release, read without Helm."""

import base64
import gzip
import json

import pytest

from compute.extension.release import NAMESPACE, RELEASE, decode, history, last_deployed, newest, read_release
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.manifests import namespace
from tests.compute.extension.releases import packed, secret
from tests.fakekube import FakeKube


def test_a_release_is_read_whole() -> None:
    found = decode(packed(3, "deployed"))
    assert found is not None
    assert (found.revision, found.status, found.values["studio"]) == (3, "deployed", "abc")
    assert [each["kind"] for each in found.objects] == ["Gateway"] and found.hooks[0]["kind"] == "Job"
    assert found.charts == {RELEASE: "0.1.0", "gateway-helm": "1.9.1"}
    assert len(found.digest) == 64


def test_what_is_no_release_is_none() -> None:
    assert decode("") is None
    assert decode(base64.b64encode(b"not base64 of gzip").decode()) is None


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"version": "three"}', b'{"hooks": [{"manifest": "a: [" }]}', b'{"hooks": [1]}', b'{"chart": [1]}', b'{"config": 1}', bytes(33 * 1024 * 1024)],
    ids=["list", "version", "yaml", "hook", "chart", "values", "bomb"],
)
def test_what_somebody_else_wrote_in_its_place_is_none_and_unpacks_to_no_more_than_a_release_has(body: bytes) -> None:
    assert decode(base64.b64encode(base64.b64encode(gzip.compress(body, 1))).decode()) is None
    assert decode(base64.b64encode(base64.b64encode(gzip.compress(json.dumps({"version": 3}).encode())[:-9])).decode()) is None


def test_the_history_is_in_order_and_knows_what_stands(fakekube: FakeKube) -> None:
    with KubeClient(fakekube.connection()) as client:
        client.apply(kinds.NAMESPACE, namespace(NAMESPACE, studio="abc"))
        for revision, status in ((10, "pending-upgrade"), (2, "superseded"), (9, "deployed")):
            client.create(kinds.SECRET, secret(revision, status), NAMESPACE)
        entries = history(client)
        assert [each.revision for each in entries] == [2, 9, 10]
        assert last_deployed(entries) == entries[1] and newest(entries) == entries[2]
        assert read_release(client, 9) is not None and read_release(client, 8) is None
