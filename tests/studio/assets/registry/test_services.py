"""What registering, archiving and deleting models does, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from studio.assets.models import Blob, Snapshot
from studio.assets.registry import services
from studio.assets.registry.given import Given
from studio.assets.registry.models import Model, ModelVersion
from studio.assets.registry.selectors import model_version
from studio.assets.registry.tables import USERS, Use
from studio.assets.services import store
from studio.assets.trees import load_tree
from studio.audit.models import Entry
from studio.core.errors import ProblemError, ProblemList
from tests.conftest import People
from tests.studio.assets.registry.conftest import MLMODEL

pytestmark = pytest.mark.django_db
Register = Callable[..., ModelVersion]


BOMB = (
    b"flavors: {a: &a [1,1,1,1,1,1,1,1], b: &b [*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b], "
    + b"""
  d: &d [*c,*c,*c,*c,*c,*c,*c,*c], e: &e [*d,*d,*d,*d,*d,*d,*d,*d], f: [*e,*e,*e,*e,*e,*e,*e,*e]}"""
)


def refused(make: Callable[[], Any]) -> ProblemError:
    with pytest.raises((ProblemError, ProblemList)) as caught:
        make()
    return caught.value.errors[0] if isinstance(caught.value, ProblemList) else caught.value


def test_the_first_version_is_1_and_the_next_ones_count_up(register: Register) -> None:
    assert [register().version, register().version, register(version="7").version, register().version] == ["1", "2", "7", "8"]


def test_a_version_may_be_a_word_which_does_not_count(register: Register) -> None:
    assert [register(version="2024-a").version, register(version="007").version, register().version] == ["2024-a", "007", "1"]


def test_what_is_kept_is_the_tree_and_the_last_part_of_its_path(register: Register) -> None:
    version = register(files={"a/b.txt": b"b", "c.bin": b"12345"}, base_name="../up/model-1/model/")
    tree = load_tree(version.digest, store())
    assert [file.path for file in tree.files] == ["a/b.txt", "c.bin"]
    assert (version.base_name, version.folder, version.is_file) == ("model", "model", False)
    assert (version.size, version.count, version.reference) == (6, 2, "azureml:flowers:1")


def test_a_single_file_keeps_its_own_name(register: Register) -> None:
    version = register(files={"model.pkl": b"x"}, is_file=True, base_name="anything")
    assert (version.base_name, version.folder, version.is_file) == ("model.pkl", "", True)


@pytest.mark.parametrize("path", [".", "./", "", "/", "a/../.."])
def test_a_folder_without_a_name_is_called_model(path: str, register: Register) -> None:
    assert register(base_name=path).base_name == "model"


def test_a_folder_with_an_unusable_name_is_refused(register: Register) -> None:
    assert refused(lambda: register(base_name="a\nb")).field == "base_name"


def test_the_same_again_is_the_same_version_and_writes_nothing(register: Register) -> None:
    first = register(version="3")
    entries = Entry.objects.count()
    assert register(version="3").pk == first.pk
    assert Entry.objects.count() == entries


def test_other_files_under_the_same_version_are_refused(register: Register) -> None:
    register(version="3")
    problem = refused(lambda: register(files={"model.pkl": b"other"}, version="3"))
    assert (problem.problem.id, problem.field, problem.status) == ("model-version-taken", "version", 409)


def test_the_same_files_under_another_name_of_their_folder_are_other_files(register: Register) -> None:
    register(version="3")
    assert refused(lambda: register(version="3", base_name="elsewhere")).problem.id == "model-version-taken"


def test_a_number_that_was_deleted_is_not_given_again(register: Register, people: People) -> None:
    register()
    services.delete_version(people.contributor, register())
    assert register().version == "3"


@pytest.mark.django_db(transaction=True)
def test_versions_registered_at_once_get_numbers_of_their_own(people: People, folder: Callable[..., Snapshot]) -> None:
    kept = folder()

    def one(_: int) -> str:
        try:
            given = Given(name="flowers", tree=kept.digest, base_name="model")
            return services.register_version(people.contributor, people.workspace, given=given)[0].version
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(8)), key=int) == [str(number) for number in range(1, 9)]


@pytest.mark.django_db(transaction=True)
def test_the_same_version_registered_at_once_is_made_once(people: People, folder: Callable[..., Snapshot]) -> None:
    kept = folder()

    def one(_: int) -> bool:
        try:
            given = Given(name="flowers", version="1", tree=kept.digest, base_name="model")
            return services.register_version(people.contributor, people.workspace, given=given)[1]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(6))) == [False] * 5 + [True]


def test_an_mlmodel_file_makes_it_an_mlflow_model_with_flavors_and_signature(register: Register) -> None:
    version = register(files={"MLmodel": MLMODEL, "model.pkl": b"x"})
    assert version.model.type == "mlflow_model"
    assert version.flavors["sklearn"]["sklearn_version"] == "1.5.0"
    assert version.signature["inputs"] == [{"type": "double", "name": "petal length"}]


@pytest.mark.parametrize(
    "content", [b"", b"[1, 2]", b"flavors: text", b"flavors: {}", b"{", b"\xff\xfe", b"a: *b", b"x: " + b"[" * 3000, BOMB]
)
def test_an_mlmodel_file_that_cannot_be_read_makes_a_custom_model(content: bytes, register: Register) -> None:
    files = {"MLmodel": content, "model.pkl": b"x"}
    assert register(files=files).model.type == "custom_model"
    problem = refused(lambda: register("other", files=files, type="mlflow_model"))
    assert (problem.problem.id, problem.field) == ("model-mlmodel-missing", "type")


def test_an_mlflow_model_needs_its_mlmodel_file(register: Register) -> None:
    assert refused(lambda: register(type="mlflow_model")).text.endswith("this folder has none.")


def test_all_versions_of_a_model_have_one_type(register: Register) -> None:
    register()
    assert refused(lambda: register(type="triton_model")).problem.id == "model-type-differs"
    assert register(files={"MLmodel": MLMODEL}).model.type == "custom_model"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "-x"}, "name"), ({"name": "a/b"}, "name"), ({"name": "a" * 256}, "name"), ({"name": "sp ace"}, "name"),
        ({"version": "1:2"}, "version"), ({"version": "@latest"}, "version"), ({"type": "onnx"}, "type"),
        ({"stage": "x" * 101}, "stage"), ({"tags": {"": "x"}}, "tags"), ({"tags": {"k": "x" * 1001}}, "tags"),
        ({"properties": {"x": "y" * 70_000}}, "properties"), ({"tree": ""}, "path"), ({"tree": "sha256:" + "0" * 64}, "tree"),
        ({"path": "https://example.org/model", "tree": ""}, "path"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(values: dict[str, Any], field: str, register: Register) -> None:
    problem = refused(lambda: register(**{"name": "flowers", **values}))
    assert problem.field == field
    assert Model.objects.count() == 0


def test_everything_wrong_is_said_at_once(register: Register) -> None:
    with pytest.raises(ProblemList) as caught:
        register("-", version="-", type="-")
    assert [problem.field for problem in caught.value.errors] == ["name", "version", "type"]


def test_an_empty_folder_is_no_model(people: People) -> None:
    from studio.assets.services import take_tree

    kept = take_tree(people.workspace, {"files": []})
    assert isinstance(kept, Snapshot)
    given = Given(name="flowers", tree=kept.digest)
    assert refused(lambda: services.register_version(people.contributor, people.workspace, given=given)).problem.id == "model-empty"


def test_a_tree_of_another_workspace_is_not_here(people: People, folder: Callable[..., Snapshot]) -> None:
    elsewhere = people.stranger.workspaces.get()
    given = Given(name="flowers", tree=folder().digest)
    assert refused(lambda: services.register_version(people.stranger, elsewhere, given=given)).problem.id == "model-files-unknown"


def test_a_version_keeps_its_snapshot_and_content_from_going(register: Register) -> None:
    from django.db.models import RestrictedError

    version = register()
    with pytest.raises(RestrictedError):
        version.snapshot.delete()
    assert Blob.objects.filter(workspace=version.model.workspace).exists()


def test_a_workspace_that_goes_takes_its_models_along(register: Register, people: People) -> None:
    register()
    people.workspace.delete()
    assert (Model.objects.count(), ModelVersion.objects.count()) == (0, 0)


def test_archiving_and_restoring_are_undone_by_each_other_and_audited_once(register: Register, people: People) -> None:
    version = register()
    for act in (services.archive, services.archive, services.restore, services.restore):
        act(people.contributor, ModelVersion.objects.select_related("model__workspace").get(pk=version.pk))
    verbs = list(Entry.objects.order_by("id").values_list("verb", "target_name"))
    assert verbs == [("created", "flowers"), ("registered", "flowers:1"), ("archived", "flowers:1"), ("restored", "flowers:1")]


def test_an_archived_model_takes_no_new_version(register: Register, people: People) -> None:
    services.archive(people.contributor, register().model)
    assert refused(register).problem.id == "model-archived"


@pytest.fixture
def used() -> Iterator[list[Use]]:
    uses: list[Use] = []
    USERS["test"] = lambda version: uses
    yield uses
    del USERS["test"]


def test_what_a_deployment_uses_is_not_deleted(register: Register, people: People, used: list[Use]) -> None:
    version = register()
    used.append(Use("Deployment", "blue", "/", holds=True))
    for delete in (
        lambda: services.delete_version(people.contributor, version),
        lambda: services.delete_model(people.contributor, version.model),
    ):
        problem = refused(delete)
        assert (problem.problem.id, "deployment blue" in problem.text) == ("model-in-use", True)
    used[:] = [Use("Job", "reader", "/")]
    services.delete_model(people.contributor, version.model)
    assert ModelVersion.objects.count() == 0


def test_description_and_tags_change_and_the_difference_is_audited(register: Register, people: People) -> None:
    version = register(tags={"a": "1"})
    services.edit_version(people.contributor, version, description="better", tags={"a": "2"})
    services.edit_version(people.contributor, version, description="better")
    entry = Entry.objects.get(verb="changed")
    assert entry.diff == {"description": ["", "better"], "tags": [{"a": "1"}, {"a": "2"}]}


class TestReferences:
    @pytest.mark.parametrize(
        ("reference", "version"),
        [
            ("azureml:flowers:1", "1"), ("flowers:1", "1"), ("azureml:flowers@latest", "b"), ("flowers@latest", "b"), (" flowers:b ", "b"),
            ("/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w/models/flowers/versions/2", "2"),
            ("azureml:/subscriptions/s/resourcegroups/r/providers/Microsoft.MachineLearningServices/workspaces/w/models/flowers/labels/latest", "b"),
        ],
    )  # fmt: skip
    def test_every_form_is_understood(self, reference: str, version: str, register: Register, people: People) -> None:
        register()
        register()
        register(version="b")
        assert model_version(people.workspace, reference).version == version

    @pytest.mark.parametrize(
        ("reference", "problem", "words"),
        [
            ("flowers", "model-reference-invalid", "flowers"), ("", "model-reference-invalid", "Nothing"), ("./model", "model-reference-invalid", "./model"),
            ("azureml:flower:1", "model-unknown", "Did you mean flowers?"), ("Flowers:1", "model-unknown", "Did you mean flowers?"),
            ("zzz:1", "model-unknown", "named zzz"), ("flowers:9", "model-version-unknown", "It has 1."),
            ("flowers@production", "model-version-unknown", "only label"),
        ],
    )  # fmt: skip
    def test_what_is_not_there_is_told_with_what_is_near(
        self, reference: str, problem: str, words: str, register: Register, people: People
    ) -> None:
        register()
        told = refused(lambda: model_version(people.workspace, reference))
        assert told.problem.id == problem
        assert words in told.text

    def test_latest_passes_over_what_is_archived(self, register: Register, people: People) -> None:
        first, second = register(), register()
        services.archive(people.contributor, second)
        assert model_version(people.workspace, "flowers@latest").pk == first.pk
        assert refused(lambda: model_version(people.workspace, "flowers:2")).problem.id == "model-archived"
        services.archive(people.contributor, first)
        assert "archived" in refused(lambda: model_version(people.workspace, "flowers@latest")).text

    def test_another_workspace_has_models_of_its_own(self, register: Register, people: People) -> None:
        register()
        elsewhere = people.stranger.workspaces.get()
        assert refused(lambda: model_version(elsewhere, "flowers:1")).problem.id == "model-unknown"
