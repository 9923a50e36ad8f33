"""The pages of models: lists, versions, files, forms, and what is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from studio.assets.registry import services
from studio.assets.registry.models import Model, ModelVersion
from studio.assets.registry.tables import ACTIONS, USERS, Action, Use
from tests.conftest import People
from tests.studio.assets.registry.conftest import MLMODEL

pytestmark = pytest.mark.django_db
Register = Callable[..., ModelVersion]
HOME = "/w/team/models/"
NEW = HOME + "-/new/"
VERSION = HOME + "flowers/versions/1/"


@pytest.fixture
def client(people: People, client_for: Callable[..., Client]) -> Client:
    return client_for(people.contributor)


@pytest.fixture
def reader(people: People, client_for: Callable[..., Client]) -> Client:
    return client_for(people.reader)


def page(client: Client, path: str, **more: object) -> str:
    answer = client.get(path, **more)  # type: ignore[arg-type]
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def sent(answer: Any) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)()


def test_without_models_the_page_says_how_to_make_one(client: Client, reader: Client) -> None:
    assert "mooring model create" in page(client, HOME)
    shown = page(reader, HOME)
    assert "No model yet" in shown
    assert "Register a model" not in shown


def test_the_list_names_type_latest_version_and_who(client: Client, register: Register) -> None:
    register(files={"MLmodel": MLMODEL}, description="Three kinds of iris", tags={"team": "bots"})
    register()
    shown = page(client, HOME)
    for word in ("flowers", "MLflow", "Three kinds of iris", "bots", "the-contributor", VERSION.replace("/1/", "/2/")):
        assert word in shown, word


def test_searching_looks_at_names_descriptions_and_tags(client: Client, register: Register) -> None:
    register("iris")
    register("houses", description="prices of houses")
    register("ships", tags={"fleet": "würde"})
    for text, found in (("IRI", "iris"), ("prices", "houses"), ("würde", "ships"), ("fleet wü", "ships")):
        rows = page(client, HOME + f"?q={text}")
        assert [name for name in ("iris", "houses", "ships") if f">{name}</a>" in rows] == [found]
    assert "No model matches" in page(client, HOME + "?q=nothing")


def test_archived_models_are_listed_apart(client: Client, register: Register, people: People) -> None:
    services.archive(people.contributor, register().model)
    assert "flowers</a>" not in page(client, HOME)
    assert "flowers</a>" in page(client, HOME + "?show=archived")


@pytest.mark.parametrize(
    ("query", "found"),
    [({}, ["3", "2"]), ({"show": "archived"}, ["1"]), ({"show": "all", "sort": "created"}, ["1", "2", "3"]),
     ({"stage": "staging"}, ["2"]), ({"q": "bots"}, ["3"]), ({"since": "1h", "q": "nothing"}, [])],
)  # fmt: skip
def test_versions_are_narrowed_and_sorted_by_page_and_api(
    client: Client, register: Register, people: People, query: dict[str, str], found: list[str]
) -> None:
    services.archive(people.contributor, register())
    register(stage="staging")
    register(tags={"team": "bots"})
    listing = client.get(HOME + "flowers/", query).context["list"]
    assert [line.row.version for line in listing.lines] == found
    assert [chip["count"] for chip in listing.chips] == ["2", "1", "3"]
    answer = client.get("/api/v1/workspaces/team/models/flowers/versions", query).json()["items"]
    assert [one["version"] for one in answer] == found


def test_htmx_gets_the_table_alone(client: Client, register: Register) -> None:
    register()
    for path in (HOME, HOME + "flowers/"):
        shown = page(client, path, headers={"HX-Request": "true"})
        assert "<html" not in shown
        assert 'id="list"' in shown


def test_every_page_of_a_version_stands_in_every_state(client: Client, reader: Client, register: Register, people: People) -> None:
    version = register(files={"MLmodel": MLMODEL, "data/a.csv": b"a,b\n1,2\n"}, stage="staging", properties={"k": 1}, description="x\n\ny")
    services.edit_model(people.contributor, version.model, description="of flowers", tags={"a": "b"})
    for act in (
        lambda: None,
        lambda: services.archive(people.contributor, version),
        lambda: services.archive(people.contributor, version.model),
    ):
        act()
        for person in (client, reader):
            for tab in ("", "files/", "files/?file=data/a.csv", "lineage/"):
                assert "azureml:flowers:1" in page(person, VERSION + tab)
            page(person, HOME + "flowers/")
    assert "Restore" not in page(reader, VERSION)


def test_flavors_and_signature_are_shown(client: Client, register: Register) -> None:
    register(files={"MLmodel": MLMODEL})
    shown = page(client, VERSION)
    for word in ("Flavor sklearn", "1.5.0", "petal length", "double"):
        assert word in shown, word


def test_what_is_in_a_file_never_becomes_part_of_the_page(client: Client, register: Register) -> None:
    evil = b"flavors:\n  <script>alert(1)</script>: {x: <img src=x>}\n"
    register(files={"MLmodel": evil, "<b>.txt": b"<script>alert(2)</script>"}, description="<script>alert(3)</script>", tags={"<i>": "<u>"})
    for tab in ("", "files/", "files/?file=%3Cb%3E.txt", "lineage/"):
        shown = page(client, VERSION + tab)
        assert "<script>alert" not in shown
        assert "<img src=x>" not in shown
        assert "<i>" not in shown


def test_one_file_and_all_as_zip_are_sent(client: Client, register: Register) -> None:
    register(files={"a/b.bin": b"12345", "c.txt": b"c"}, base_name="weights")
    one = client.get(VERSION + "files/a/b.bin?download=1")
    assert sent(one) == b"12345"
    whole = client.get(VERSION + "files.zip")
    with zipfile.ZipFile(io.BytesIO(sent(whole))) as archive:
        assert archive.namelist() == ["weights/a/b.bin", "weights/c.txt"]
    assert client.get(VERSION + "files/none").status_code == 404
    assert client.get(VERSION + "files/?file=none").status_code == 404


def test_a_folder_sent_with_the_form_becomes_a_version(client: Client) -> None:
    files = [SimpleUploadedFile("a.bin", b"a"), SimpleUploadedFile("b.txt", b"b")]
    form = {
        "name": "flowers",
        "files": files,
        "files_paths": '["x/a.bin", "b.txt"]',
        "base_name": "weights",
        "tag_key": "k",
        "tag_value": "v",
    }
    answer = client.post(NEW, form)
    assert answer["Location"] == VERSION
    version = ModelVersion.objects.get()
    assert (version.count, version.base_name, version.tags, version.is_file) == (2, "weights", {"k": "v"}, False)


def test_a_single_file_sent_with_the_form_is_that_file(client: Client) -> None:
    client.post(NEW, {"name": "flowers", "files": [SimpleUploadedFile("model.pkl", b"a")]})
    version = ModelVersion.objects.get()
    assert (version.is_file, version.base_name) == (True, "model.pkl")


def test_a_form_that_comes_back_keeps_the_files_and_says_what_is_wrong_where(client: Client) -> None:
    answer = client.post(NEW, {"name": "not a name", "files": [SimpleUploadedFile("model.pkl", b"a")], "tag_key": "k", "tag_value": "v"})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "cannot be the name of a model" in shown
    assert "Kept: 1 file" in shown
    kept = shown.split('name="files_kept" value="')[1].split('"')[0]
    assert client.post(NEW, {"name": "flowers", "files_kept": kept}).status_code == 302
    assert ModelVersion.objects.get().count == 1


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": "flowers"}, "A version needs a folder"),
        ({"name": "flowers", "path": "azureml://jobs/none/outputs/artifacts"}, "There is no job named none"),
        ({"name": "flowers", "path": "/etc/passwd"}, "absolute path"),
        ({"name": ""}, "A model needs a name"),
    ],
)
def test_a_form_without_usable_files_says_so(form: dict[str, str], words: str, client: Client) -> None:
    answer = client.post(NEW, form)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_archive_restore_and_delete_from_the_pages(client: Client, register: Register) -> None:
    register()
    client.post(VERSION + "archive/")
    assert ModelVersion.objects.get().archived
    assert "is archived: nothing new" in page(client, VERSION)
    client.post(VERSION + "restore/")
    assert not ModelVersion.objects.get().archived
    client.post(HOME + "flowers/archive/")
    client.post(HOME + "flowers/restore/")
    assert client.post(VERSION + "delete/")["Location"] == HOME + "flowers/"
    assert "All versions of this model were deleted" in page(client, HOME + "flowers/")
    assert client.post(HOME + "flowers/delete/")["Location"] == HOME
    assert not Model.objects.exists()


def test_what_is_in_use_stays_and_the_page_says_why(client: Client, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setitem(USERS, "test", lambda version: [Use("Deployment", "blue", "/blue/", status="ready", holds=True)])
    for path in (VERSION, HOME + "flowers/"):
        assert "is used by deployment blue" in client.post(path + "delete/", follow=True).content.decode()
    assert ModelVersion.objects.exists()
    assert '<a href="/blue/">blue</a>' in page(client, VERSION + "lineage/")


def test_apps_add_what_can_be_done_with_a_version_that_is_not_archived(
    client: Client, reader: Client, register: Register, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register()
    monkeypatch.setitem(ACTIONS, "test", lambda version: [Action("Deploy", "rocket", "/deploy/")])
    assert 'href="/deploy/"' in page(client, VERSION)
    assert 'href="/deploy/"' not in page(reader, VERSION)
    services.archive(people.contributor, version)
    assert 'href="/deploy/"' not in page(client, VERSION)


def test_description_and_tags_are_edited(client: Client, register: Register) -> None:
    register()
    for path in (VERSION, HOME + "flowers/"):
        assert client.get(path + "edit/").status_code == 200
        assert client.post(path + "edit/", {"description": "new", "tag_key": "k", "tag_value": "v"}).status_code == 302
        assert client.post(path + "edit/", {"description": "new", "tag_key": "", "tag_value": "v"}).status_code == 422
    assert (ModelVersion.objects.get().description, Model.objects.get().tags) == ("new", {"k": "v"})


def test_a_long_list_takes_no_query_a_model(client: Client, register: Register, django_assert_max_num_queries: Any) -> None:
    for number in range(12):
        register(f"m{number}")
        register(f"m{number}")
    with django_assert_max_num_queries(23):
        page(client, HOME)
    with django_assert_max_num_queries(10):
        told = client.get("/api/v1/workspaces/team/models").json()["items"]
    assert {(one["latest_version"], one["versions"]) for one in told} == {("2", 2)}
