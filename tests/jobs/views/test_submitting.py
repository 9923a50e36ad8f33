"""The form and the YAML tab: what they send, what they keep, where they say what is wrong."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from jobs import spec
from jobs.forms import Draft, draft_of, plain, seconds_of, time_words
from jobs.models import Job
from studio.assets.services import tree_for, tree_of_uploads
from tests.conftest import People

Make = Callable[..., Job]
URL = "/w/team/jobs/-/new/"
FORM = {"as": "form", "command": "echo hi", "image": "python:3.11", "compute": "local", "count": "1"}


def posted(client: Any, **fields: Any) -> Any:
    """Post the form with the defaults that the page fills in."""
    return client.post(URL, {**FORM, **fields})


def hidden(answer: Any, name: str) -> str:
    """Return the value of a hidden input of the page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.content.decode())
    assert found is not None
    return found[1].replace("&quot;", '"')


@pytest.fixture
def client(people: People, client_for: Any, compute: Any) -> Any:
    """Sign in a contributor of a workspace that has a compute."""
    return client_for(people.contributor)


def test_the_shortest_way_is_the_command(client: Any) -> None:
    page = client.get(URL)
    form = page.context["form"]
    given = {name: form[name].value() for name in ("command", "image", "compute", "instance_type", "count")}
    answer = client.post(URL, {"as": "form", **{key: value or "" for key, value in given.items()}, "command": "echo hi"})
    job = Job.objects.get()
    assert answer.headers["Location"] == reverse("jobs:detail", args=["team", job.name])
    assert (job.command, job.compute_name, job.instance_type, job.image) == ("echo hi", "local", "small", "python:3.11")


def test_everything_on_the_form_reaches_the_job(client: Any, people: People) -> None:
    answer = posted(
        client,
        command="python train.py ${{inputs.data}} --lr ${{inputs.lr}}\r\necho done",
        code=[SimpleUploadedFile("train.py", b"1"), SimpleUploadedFile("a.py", b"2")],
        code_paths=json.dumps(["train.py", "lib/a.py"]),
        instance_type="large",
        display_name="My job", experiment="iris", description="What it is", time_limit="30 m", retries="2",
        env_key=["SEED", ""], env_value=["7", ""], tag_key=["stage"], tag_value=["dev"],
        input_key=["data", "lr", ""], input_kind=["file", "value", "value"], input_value=["", "0.10", ""],
        input_number=["e0", "e1", "e2"], input_kept=["", "", ""],
        input_files_e0=SimpleUploadedFile("iris.csv", b"a,b\n"),
    )  # fmt: skip
    assert answer.status_code == 302, answer.content.decode()
    job = Job.objects.get()
    assert job.command == "python train.py /mooring/inputs/data/iris.csv --lr 0.10\necho done"
    assert (job.display_name, job.experiment, job.description) == ("My job", "iris", "What it is")
    assert (job.timeout_seconds, job.retries, job.instance_type, job.tags) == (1800, 2, "large", {"stage": "dev"})
    assert client.get(URL, {"from": job.name}).context["form"]["retries"].value() == "2"
    assert job.environment_variables["SEED"] == "7"
    code = tree_for(people.workspace, job.code_digest)
    assert code is not None and [file.path for file in code.files] == ["lib/a.py", "train.py"]


def test_code_may_come_as_a_zip(client: Any, people: People) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("project/train.py", "print(1)")
    posted(client, code=SimpleUploadedFile("project.zip", packed.getvalue()))
    code = tree_for(people.workspace, Job.objects.get().code_digest)
    assert code is not None and [file.path for file in code.files] == ["train.py"]


def test_a_folder_as_an_input_may_come_as_a_zip(client: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "2")
    posted(
        client, command="ls ${{inputs.data}}", input_key="data", input_kind="folder", input_value="", input_number="e0",
        input_kept="", input_files_e0=SimpleUploadedFile("data.zip", packed.getvalue()),
    )  # fmt: skip
    assert Job.objects.get().inputs["data"]["count"] == 2


def test_a_refused_form_keeps_every_word_and_every_file(client: Any) -> None:
    answer = posted(
        client, command="python a.py ${{inputs.nope}}", code=SimpleUploadedFile("a.py", b"1"), display_name="Kept",
        env_key=["A"], env_value=["b"], tag_key=["c"], tag_value=["d"], input_key=["x"], input_kind=["file"], input_value=[""],
        input_number=["e0"], input_kept=[""], input_files_e0=SimpleUploadedFile("x.csv", b"1"),
    )  # fmt: skip
    assert answer.status_code == 422 and not Job.objects.exists()
    text = answer.content.decode()
    assert "There is no input <code>nope</code>." in text
    assert all(word in text for word in ("python a.py ${{inputs.nope}}", 'value="Kept"', 'value="A"', 'value="d"'))
    again = posted(
        client, command="python a.py ${{inputs.x}}", code_kept=hidden(answer, "code_kept"), input_key=["x"], input_kind=["file"],
        input_value=[""], input_number=["r0"], input_kept=[hidden(answer, "input_kept")],
    )  # fmt: skip
    assert again.status_code == 302
    job = Job.objects.get()
    assert job.code_digest and job.inputs["x"]["mount"]["path"] == "/mooring/inputs/x/x.csv"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"command": "  "}, "Write what to run."),
        ({"command": "\n"}, "Write what to run."),
        ({"time_limit": "soon"}, "Write a number with s, m, h or d"),
        ({"count": "0"}, "Write a whole number"),
        ({"retries": "21"}, "Write a whole number from 0 to 20."),
        ({"compute": "gone"}, "There is no compute named gone"),
        ({"instance_type": "huge"}, "has no instance type huge"),
        ({"image": "not an image"}, "is not the name of a container image"),
        ({"image": "azureml:unknown@latest"}, "names no image that is known here"),
        ({"env_key": "1 2", "env_value": "x"}, "cannot be an environment variable"),
        ({"experiment": "a/b"}, "cannot be the name of an experiment"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client: Any, fields: dict[str, str], said: str) -> None:
    answer = posted(client, **fields)
    assert answer.status_code == 422 and not Job.objects.exists()
    assert said in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()


def test_an_input_without_its_file_says_so_at_its_row(client: Any) -> None:
    answer = posted(client, input_key="data", input_kind="file", input_value="", input_number="e0", input_kept="")
    assert answer.status_code == 422 and "No file was chosen." in answer.content.decode()


def test_a_hostile_archive_is_refused_at_the_code(client: Any) -> None:
    answer = posted(client, code=SimpleUploadedFile("a.zip", b"PK\x03\x04 not really"))
    assert answer.status_code == 422 and "damaged" in answer.context["code_problem"]


def test_a_digest_of_another_workspace_opens_nothing(client: Any, people: People) -> None:
    other = people.stranger.workspaces.get()
    digest = tree_of_uploads(other, [("secret.py", io.BytesIO(b"1"))]).digest
    posted(client, code_kept=digest)
    assert Job.objects.get().code_digest == ""


def test_the_way_to_yaml_carries_what_was_typed(client: Any) -> None:
    answer = posted(client, to="yaml", command="", time_limit="what?", display_name="Half done", env_key="A", env_value="1")
    text = answer.context["draft"].text
    assert answer.status_code == 200
    assert "display_name: Half done" in text and "timeout: what?" in text and "A: '1'" in text and "azureml:local" in text


def test_the_way_back_from_yaml_carries_what_the_form_cannot_show(client: Any) -> None:
    yaml = "command: echo hi\nenvironment:\n  image: python:3.11\noutputs:\n  model:\n    type: uri_folder\ncompute: azureml:local\n"
    page = client.post(URL, {"as": "yaml", "yaml": yaml, "to": "form"})
    assert page.context["draft"].rest_names == ["outputs"]
    posted(client, rest=hidden(page, "rest"))
    assert list(Job.objects.get().outputs) == ["model"]


def test_yaml_that_cannot_be_read_stays_where_it_is(client: Any) -> None:
    page = client.post(URL, {"as": "yaml", "yaml": "command: [", "to": "form"})
    assert page.status_code == 422 and page.context["draft"].text == "command: ["


def test_yaml_is_submitted_with_its_folder(client: Any, people: People) -> None:
    yaml = (
        "command: python a.py ${{inputs.data}}\ncode: ./src\nenvironment:\n  image: python:3.11\n"
        "inputs:\n  data:\n    type: uri_file\n    path: ./d.csv\ncompute: azureml:local\n"
    )
    files = [SimpleUploadedFile("job.yml", yaml.encode()), SimpleUploadedFile("a.py", b"1"), SimpleUploadedFile("d.csv", b"2")]
    paths = json.dumps(["job.yml", "src/a.py", "d.csv"])
    answer = client.post(URL, {"as": "yaml", "yaml": yaml, "folder": files, "folder_paths": paths})
    assert answer.status_code == 302, answer.content.decode()
    job = Job.objects.get()
    code = tree_for(people.workspace, job.code_digest)
    assert code is not None and [file.path for file in code.files] == ["a.py"]
    assert job.inputs["data"]["mount"]["path"] == "/mooring/inputs/data/d.csv"


def test_errors_of_yaml_come_with_line_and_column(client: Any) -> None:
    page = client.post(URL, {"as": "yaml", "yaml": "command: echo\nbogus: 1\nenvironment:\n  image: python:3.11\n"})
    assert page.status_code == 422
    assert json.loads(page.context["marks"])[0]["line"] == 2
    assert "Line 2, column 1" in page.content.decode()


def test_a_clone_keeps_code_and_files_by_digest(client: Any, people: People, make_job: Make) -> None:
    code = tree_of_uploads(people.workspace, [("a.py", io.BytesIO(b"1"))]).digest
    data = tree_of_uploads(people.workspace, [("d.csv", io.BytesIO(b"2"))]).digest
    yaml = (
        "name: taken\ncommand: cat ${{inputs.data}}\ncode: ./src\nenvironment:\n  image: python:3.11\n"
        "inputs:\n  data:\n    type: uri_file\n    path: ./d.csv\n"
    )
    job = make_job(yaml=yaml, code_digest=code, inputs={"data": {"mount": {"kind": "file", "digest": data, "path": "/x"}}})
    page = client.get(URL, {"from": job.name})
    draft = page.context["draft"]
    assert (draft.code, draft.local_inputs(), draft.fields["compute"]) == (code, {"data": data}, "local")
    assert "name" not in draft.values()


def test_a_compute_and_type_from_the_address_are_chosen(client: Any) -> None:
    form = client.get(URL, {"compute": "local", "instance_type": "large"}).context["form"]
    assert (form["compute"].value(), form["instance_type"].value()) == ("local", "large")


def test_types_say_what_fits_now(client: Any) -> None:
    text = client.get(URL, {"part": "types", "compute": "local"}).content.decode()
    assert "small · 1 CPU · 2 GiB · 7 fit now · default" in text and "<html" not in text


def test_a_reader_has_no_form(people: People, client_for: Any, compute: Any) -> None:
    assert client_for(people.reader).get(URL).status_code == 403
    assert client_for(people.reader).post(URL, FORM).status_code == 403


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("30 m", 1800), ("1.5h", 5400), ("2 days", 172800), ("soon", None), ("", None)])
def test_a_time_limit_is_read_as_people_write_it(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@given(st.integers(min_value=1, max_value=10**8))
def test_seconds_come_back_from_their_words(seconds: int) -> None:
    assert seconds_of(time_words(seconds)) == seconds


@given(st.text(max_size=30))
def test_a_value_that_looks_like_a_number_is_written_as_it_was_typed(text: str) -> None:
    assert str(plain(text)) == text


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@given(words, st.dictionaries(names, words, max_size=4), st.dictionaries(names, words, max_size=4), st.integers(1, 10**6))
def test_form_to_yaml_and_back_loses_nothing(command: str, variables: dict[str, str], inputs: dict[str, str], seconds: int) -> None:
    if not command.strip() or "{{" in command:
        command = "echo"
    values = {
        "command": command, "environment": {"image": "python:3.11"}, "environment_variables": variables, "inputs": inputs,
        "compute": "azureml:local", "limits": {"timeout": seconds}, "outputs": {"model": {"type": "uri_folder"}},
    }  # fmt: skip
    given_values = {key: value for key, value in values.items() if value}
    text = spec.dump_values(draft_of(given_values).values())
    again = spec.load(text).document.value
    wanted = spec.load_values(given_values).model
    assert spec.load_values(again).model.literal_inputs == wanted.literal_inputs
    assert spec.load_values(again).model.command.strip("\n") == wanted.command.strip("\n")
    assert again.get("environment_variables", {}) == variables and again["limits"] == {"timeout": seconds}
    assert again["outputs"] == values["outputs"]


def test_an_empty_draft_is_an_empty_command() -> None:
    assert Draft().values() == {"command": ""}
