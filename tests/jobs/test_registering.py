"""Models from what jobs left, and jobs that are given models."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from compute.models import Compute
from jobs import services
from jobs.models import Job
from jobs.registering import places_of
from studio.assets.models import Blob, Snapshot
from studio.assets.registry.given import Given
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.services import archive, register_version
from studio.assets.registry.tables import origin_of, uses_of
from studio.assets.services import store, tree_of_uploads
from studio.assets.trees import load_tree
from studio.core.errors import ProblemError, ProblemList
from tests.conftest import People
from tests.studio.assets.registry.conftest import MLMODEL

pytestmark = pytest.mark.django_db
HOME = "/w/team/"
READS = """\
command: cat ${{inputs.model}}
environment: {image: "python:3.11"}
compute: azureml:local
inputs:
  model:
    type: custom_model
    path: azureml:flowers@latest
"""


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    """Make a job that left a model beside other things."""
    job = make_job("Completed", name="calm_otter", display_name="Train flowers")
    files = {
        ("artifacts", "outputs/model/MLmodel"): MLMODEL, ("artifacts", "outputs/model/data/w.bin"): b"12345",
        ("artifacts", "outputs/metrics.json"): b"{}", ("weights", "a.pkl"): b"pickle",
    }  # fmt: skip
    for (root, path), content in files.items():
        kept = store().put(io.BytesIO(content))
        job.output_files.create(root=root, path=path, size=kept.size, digest=kept.digest)
    return job


def register(people: People, path: str, **values: Any) -> ModelVersion:
    return register_version(people.contributor, people.workspace, given=Given(**{"name": "flowers", "path": path, **values}))[0]


def refused(make: Callable[[], Any]) -> ProblemError:
    with pytest.raises((ProblemError, ProblemList)) as caught:
        make()
    return caught.value.errors[0] if isinstance(caught.value, ProblemList) else caught.value


@pytest.mark.parametrize(
    ("path", "base_name", "is_file", "files"),
    [
        ("azureml://jobs/calm_otter/outputs/artifacts/paths/outputs/model", "model", False, ["MLmodel", "data/w.bin"]),
        ("azureml://jobs/calm_otter/outputs/artifacts/paths/outputs/model/", "model", False, ["MLmodel", "data/w.bin"]),
        ("azureml://jobs/calm_otter/outputs/artifacts/paths/outputs/metrics.json", "metrics.json", True, ["metrics.json"]),
        ("azureml://jobs/calm_otter/outputs/weights", "weights", False, ["a.pkl"]),
        ("azureml://jobs/calm_otter/outputs/weights/paths/a.pkl", "a.pkl", True, ["a.pkl"]),
        ("runs:/calm_otter/model", "model", False, ["MLmodel", "data/w.bin"]),
        ("runs:/calm_otter/outputs/model/data", "data", False, ["w.bin"]),
        ("runs:/calm_otter/weights", "weights", False, ["a.pkl"]),
    ],
)
def test_every_path_of_a_jobs_output_becomes_a_version(
    path: str, base_name: str, is_file: bool, files: list[str], job: Job, people: People
) -> None:
    version = register(people, path)
    assert (version.base_name, version.is_file) == (base_name, is_file)
    assert [file.path for file in load_tree(version.digest, store()).files] == files
    assert version.job_name == "calm_otter"


@pytest.mark.parametrize(
    ("path", "problem", "words"),
    [
        ("azureml://jobs/other/outputs/artifacts", "model-job-unknown", "named other"),
        ("azureml://jobs/calm_otter/outputs/artifacts/paths/outputs/modl", "model-output-missing", "outputs/model"),
        ("azureml://jobs/calm_otter/outputs/artifacts/paths/outputs/Model", "model-output-missing", "outputs/Model"),
        ("azureml://jobs/calm_otter/outputs/artifacts/paths/OUTPUTS", "model-output-missing", "left nothing"),
        ("azureml://jobs/calm_otter/outputs/nothing", "model-output-missing", "left nothing at nothing"),
        ("runs:/calm_otter/nothing", "model-output-missing", "left nothing"),
        ("azureml://jobs/calm_otter/nonsense", "model-path-not-usable", "not a reference"),
        ("azureml://datastores/blob/paths/x", "model-path-not-usable", "nowhere"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(path: str, problem: str, words: str, job: Job, people: People) -> None:
    told = refused(lambda: register(people, path))
    assert (told.problem.id, told.field) == (problem, "path")
    assert words in told.text


def test_no_byte_is_copied_and_the_workspace_gets_the_right_to_the_content(job: Job, people: People) -> None:
    before = set(store())
    version = register(people, "runs:/calm_otter/model")
    assert set(store()) - before <= {version.digest}
    assert Blob.objects.filter(workspace=people.workspace).count() == 2


def test_a_model_outlives_its_job(job: Job, people: People) -> None:
    version = register(people, "runs:/calm_otter/model")
    job.delete()
    assert store().read(load_tree(version.digest, store()).files[1].digest) == b"12345"
    origin = origin_of(ModelVersion.objects.get())
    assert origin is not None
    assert (origin.title, origin.gone, origin.url) == ("calm_otter", True, "")


def test_names_that_only_one_file_system_could_hold_are_refused(job: Job, people: People) -> None:
    for path in ("x/A.txt", "x/a.txt"):
        job.output_files.create(root="artifacts", path=path, size=0, digest="sha256:" + "0" * 64)
    assert refused(lambda: register(people, "runs:/calm_otter/x")).problem.id == "archive-name-clash"


def test_the_likeliest_model_is_offered_first(job: Job) -> None:
    titles = [place.title for place in places_of(job)]
    assert titles[0] == "outputs/model"
    assert {"outputs/metrics.json", "weights", "weights/a.pkl", "All files of the job"} <= set(titles)


def test_every_place_that_is_offered_can_be_registered(job: Job, people: People) -> None:
    for number, place in enumerate(places_of(job)):
        assert register(people, place.path, name=f"m{number}").is_file == place.is_file


class TestPages:
    @pytest.fixture
    def client(self, people: People, client_for: Callable[..., Client]) -> Client:
        return client_for(people.contributor)

    def test_the_jobs_page_leads_to_a_registered_version_and_back(self, client: Client, job: Job) -> None:
        form_url = HOME + "jobs/calm_otter/register-model/"
        assert form_url in client.get(HOME + "jobs/calm_otter/").content.decode()
        form = client.get(form_url).content.decode()
        assert 'value="train-flowers"' in form
        path = "azureml://jobs/calm_otter/outputs/artifacts/paths/outputs/model"
        answer = client.post(form_url, {"path": path, "name": "flowers"})
        assert answer["Location"] == HOME + "models/flowers/versions/1/"
        assert HOME + "jobs/calm_otter/" in client.get(answer["Location"]).content.decode()
        assert "flowers:1" in client.get(HOME + "jobs/calm_otter/").content.decode()
        assert "Train flowers" in client.get(answer["Location"] + "lineage/").content.decode()

    def test_a_wrong_name_comes_back_with_the_choice_kept(self, client: Client, job: Job) -> None:
        path = "azureml://jobs/calm_otter/outputs/weights"
        answer = client.post(HOME + "jobs/calm_otter/register-model/", {"path": path, "name": "no name"})
        assert answer.status_code == 422
        assert f'value="{path}" selected' in answer.content.decode()

    def test_a_job_without_files_says_so(self, client: Client, make_job: Callable[..., Job]) -> None:
        make_job("Completed", name="empty_one")
        assert "left no files" in client.get(HOME + "jobs/empty_one/register-model/").content.decode()


class TestInputs:
    @pytest.fixture
    def version(self, job: Job, people: People) -> ModelVersion:
        return register(people, "runs:/calm_otter/model")

    def submit(self, people: People, text: str = READS, **more: Any) -> Job:
        return services.submit_job(people.contributor, people.workspace, text=text, **more)

    def test_a_job_gets_the_files_of_the_version_that_latest_means_now(
        self, version: ModelVersion, people: People, compute: Compute, studio_address: None
    ) -> None:
        job = self.submit(people)
        register(people, "runs:/calm_otter/weights")
        given = job.inputs["model"]
        assert (given["asset"], given["given"], given["count"]) == ("azureml:flowers:1", "azureml:flowers@latest", 2)
        assert given["mount"] == {"kind": "folder", "digest": version.digest, "path": "/mooring/inputs/model"}
        assert job.command == "cat /mooring/inputs/model"

    def test_a_single_file_is_found_under_its_name(self, job: Job, people: People, compute: Compute, studio_address: None) -> None:
        register(people, "runs:/calm_otter/weights/a.pkl")
        assert self.submit(people).command == "cat /mooring/inputs/model/a.pkl"

    @pytest.mark.parametrize(
        ("path", "problem"),
        [("azureml:flower:1", "model-unknown"), ("azureml:flowers:9", "model-version-unknown")],
    )
    def test_what_is_not_there_is_told_at_its_line(
        self, path: str, problem: str, version: ModelVersion, people: People, compute: Compute, studio_address: None
    ) -> None:
        told = refused(lambda: self.submit(people, READS.replace("azureml:flowers@latest", path)))
        assert (told.problem.id, told.field, told.line) == (problem, "inputs.model.path", 7)

    def test_an_archived_version_is_refused(self, version: ModelVersion, people: People, compute: Compute, studio_address: None) -> None:
        archive(people.contributor, version)
        text = READS.replace("flowers@latest", "flowers:1")
        assert refused(lambda: self.submit(people, text)).problem.id == "model-archived"

    def test_resubmitting_and_cloning_name_the_model_again(
        self, version: ModelVersion, people: People, compute: Compute, studio_address: None, client_for: Callable[..., Client]
    ) -> None:
        first = self.submit(people)
        again = services.resubmit_job(people.contributor, first)
        assert again.inputs == first.inputs
        page = client_for(people.contributor).get(f"/w/team/jobs/-/new/?from={first.name}&as=yaml").content.decode()
        assert "azureml:flowers@latest" in page
        assert "custom_model" in page

    def test_the_version_knows_the_jobs_that_read_it(
        self, version: ModelVersion, people: People, compute: Compute, studio_address: None, client_for: Callable[..., Client]
    ) -> None:
        reader = self.submit(people)
        other = register(people, "runs:/calm_otter/model", version="11")
        assert [(use.kind, use.title, use.holds) for use in uses_of(version)] == [("Job", reader.name, False)]
        assert uses_of(other) == []
        page = client_for(people.reader).get(f"/w/team/jobs/{reader.name}/").content.decode()
        assert "/w/team/models/flowers/versions/1/" in page

    def test_a_pod_may_fetch_the_models_files(
        self, version: ModelVersion, people: People, compute: Compute, studio_address: None, client: Client
    ) -> None:
        job = self.submit(people)
        Job.objects.filter(pk=job.pk).update(status="Preparing", token="t")
        job.refresh_from_db()
        answer = client.get(f"/runner/v1/jobs/{job.name}/trees/{version.digest}", headers={"Authorization": f"Bearer {job.token}"})
        assert [file["path"] for file in answer.json()["files"]] == ["MLmodel", "data/w.bin"]


class TestApi:
    YAML = """\
$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
name: flowers
version: 5
path: ./model-1/model/
type: custom_model
description: From a folder
tags: {framework: sklearn, depth: 3}
properties: {accuracy: 0.97}
stage: staging
"""

    @pytest.fixture
    def post(self, people: People, client_for: Callable[..., Client]) -> Callable[..., Any]:
        client = client_for(people.contributor)
        return lambda body, path="models": client.post(f"/api/v1/workspaces/team/{path}", body, content_type="application/json")

    @pytest.fixture
    def tree(self, people: People) -> str:
        kept: Snapshot = tree_of_uploads(people.workspace, [("w.bin", io.BytesIO(b"12345"))])
        return kept.digest

    def test_the_originals_yaml_is_taken_as_it_is(self, post: Callable[..., Any], tree: str) -> None:
        body = {"yaml": self.YAML, "tree": tree}
        made = post(body)
        assert made.status_code == 201, made.content
        told = made.json()
        assert (told["name"], told["version"], told["base_name"], told["stage"]) == ("flowers", "5", "model", "staging")
        assert (told["tags"], told["properties"]) == ({"framework": "sklearn", "depth": "3"}, {"accuracy": 0.97})
        assert post(body).status_code == 200

    def test_a_job_output_in_a_yaml_needs_no_files(self, post: Callable[..., Any], job: Job) -> None:
        told = post({"yaml": "name: flowers\npath: runs:/calm_otter/model\n", "set": ["tags.a=b"]}).json()
        assert (told["job"], told["job_path"], told["tags"], told["type"]) == ("calm_otter", "outputs/model", {"a": "b"}, "mlflow_model")

    @pytest.mark.parametrize(
        ("text", "problem", "line"),
        [
            ("name: flowers\n", "spec-field-missing", None),
            ("name: flowers\npath: ./x\npaht: y\n", "spec-field-unknown", 3),
            ("name: flowers\npath: ./x\ntype: onnx\n", "spec-value-not-allowed", 3),
            ("name: flowers\npath: /etc\n", "spec-path-outside", 2),
            ("name: flowers\npath: ./x\n", "model-files-missing", 2),
            ("path: runs:/none/x\nname: flowers\n", "model-job-unknown", 1),
            ("path: runs:/calm_otter/model\n\nname: a b\n", "name-invalid", 3),
            ("- a\n", "spec-not-a-mapping", None),
            ("command: x\nenvironment: {image: x}\n", "spec-field-missing", None),
        ],
    )
    def test_what_is_wrong_with_a_yaml_stands_at_its_line(
        self, text: str, problem: str, line: int | None, post: Callable[..., Any], job: Job
    ) -> None:
        answer = post({"yaml": text})
        assert answer.status_code in (409, 422), answer.content
        told = [one for one in answer.json().get("errors", [answer.json()]) if one["id"] == problem]
        assert told, answer.json()
        assert line is None or told[0]["line"] == line

    def test_models_and_versions_are_listed_shown_changed_and_removed(
        self, post: Callable[..., Any], job: Job, people: People, client_for: Callable[..., Client]
    ) -> None:
        client = client_for(people.contributor)
        for _ in range(3):
            post({"name": "flowers", "path": "runs:/calm_otter/model"})
        base = "/api/v1/workspaces/team/models"
        listed = client.get(base).json()["items"]
        assert [(one["name"], one["latest_version"], one["versions"], one["job"]) for one in listed] == [("flowers", "3", 3, "calm_otter")]
        first = client.get(f"{base}/flowers/versions?limit=2").json()
        rest = client.get(f"{base}/flowers/versions?limit=2&after={first['next']}").json()
        assert [one["version"] for one in first["items"] + rest["items"]] == ["3", "2", "1"]
        assert client.get(f"{base}/flowers/versions/@latest").json()["version"] == "3"
        assert client.post(f"{base}/flowers/versions/3/archive").json()["archived"] is True
        assert client.get(f"{base}/flowers/versions/@latest").json()["version"] == "2"
        assert [one["version"] for one in client.get(f"{base}/flowers/versions?archived=true").json()["items"]] == ["3"]
        changed = client.patch(f"{base}/flowers/versions/2", {"tags": {"a": "b"}}, content_type="application/json").json()
        assert (changed["tags"], changed["description"]) == ({"a": "b"}, "")
        files = client.get(f"{base}/flowers/versions/2/files").json()["items"]
        assert [file["path"] for file in files] == ["MLmodel", "data/w.bin"]
        assert client.delete(f"{base}/flowers/versions/2").status_code == 204
        assert client.get(f"{base}/flowers/versions/2").status_code == 404
        client.post(f"{base}/flowers/archive")
        assert client.get(base).json()["items"] == []
        assert client.get(base + "?archived=true").json()["items"][0]["name"] == "flowers"
        client.post(f"{base}/flowers/restore")
        assert client.delete(f"{base}/flowers").status_code == 204
        assert client.get(f"{base}/flowers").status_code == 404
