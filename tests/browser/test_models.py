"""Models clicked through: registered from a form and from what the sample job left, looked at, put aside, read by a job."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.studio.assets.registry.conftest import MLMODEL
from tests.studio_process import ROOT, Studio

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

SLOW_MS = 120_000
Picture = Callable[[Page, str], None]


def signed_in(page: Page, studio: Studio, path: str) -> Page:
    page.goto(f"{studio.url}{path}")
    page.get_by_label("User name").fill(studio.username)
    page.get_by_label("Password").fill(studio.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(re.escape(path)))
    return page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make an MLflow model's folder."""
    model = tmp_path / "iris-model"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_bytes(MLMODEL)
    (model / "data" / "classes.csv").write_text("kind,index\nsetosa,0\nvirginica,1\n")
    (model / "model.pkl").write_bytes(bytes(range(256)) * 64)
    return model


def test_a_folder_is_registered_looked_at_archived_and_brought_back(
    new_context: Callable[..., BrowserContext], studio_alone: Studio, picture: Picture, folder: Path
) -> None:
    page = signed_in(new_context().new_page(), studio_alone, "/w/demo/models/")
    expect(page.get_by_role("heading", name="No model yet")).to_be_visible()
    picture(page, "models-empty")
    page.get_by_role("link", name="Register a model").click()
    page.locator("[data-drop] input[webkitdirectory]").set_input_files(folder)
    expect(page.locator(".drop-words")).to_contain_text("3 files")
    expect(page.locator("#id_base_name")).to_have_value("iris-model")
    page.locator("#id_name").fill("iris")
    page.get_by_role("textbox", name="Tags: name").first.fill("framework")
    page.get_by_role("textbox", name="Tags: value").first.fill("sklearn")
    picture(page, "model-new")
    page.get_by_role("button", name="Register model").click()

    expect(page).to_have_url(re.compile(r"/w/demo/models/iris/versions/1/"))
    expect(page.get_by_text("Registered iris:1.")).to_be_visible()
    expect(page.get_by_role("heading", name="Flavor sklearn")).to_be_visible()
    picture(page, "model-details")
    page.get_by_role("link", name=re.compile("^Files")).first.click()
    page.get_by_role("link", name="classes.csv").click()
    expect(page.get_by_role("cell", name="setosa")).to_be_visible()
    picture(page, "model-files")
    with page.expect_download() as saved:
        page.get_by_role("link", name="All as zip").click()
    assert saved.value.suggested_filename == "iris-1.zip"
    page.get_by_role("link", name="Lineage").click()
    expect(page.get_by_role("heading", name="Nothing uses it yet")).to_be_visible()
    picture(page, "model-lineage")

    page.get_by_label("More about this version").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("This version is archived")).to_be_visible()
    picture(page, "model-archived")
    page.get_by_role("button", name="Restore").first.click()
    expect(page.get_by_text("iris:1 is back.")).to_be_visible()
    page.goto(f"{studio_alone.url}/w/demo/models/iris/")
    expect(page.get_by_role("link", name="1", exact=True)).to_be_visible()
    picture(page, "model")
    page.goto(f"{studio_alone.url}/w/demo/models/")
    picture(page, "models")

    # What another way in does is seen without a reload.
    done = studio_alone.cli("model", "create", "--name", "houses", "--path", str(folder / "model.pkl"), "--tags", "team=blue")
    assert "azureml:houses:1" in done.stdout
    expect(page.get_by_role("link", name="houses")).to_be_visible()
    page.get_by_placeholder("Name, description or tag").fill("blue")
    expect(page.locator("#rows tr")).to_have_count(1)

    page.get_by_role("link", name="houses").click()
    page.get_by_label("More about this model").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete model").click()
    expect(page.get_by_text("houses was deleted.")).to_be_visible()


def test_the_command_registers_lists_and_fetches(studio_alone: Studio, folder: Path, tmp_path: Path) -> None:
    cli = studio_alone.cli
    yaml = tmp_path / "model.yml"
    yaml.write_text("name: command-line\nversion: 3\npath: ./iris-model/\ndescription: >-\n  as: written\ntags: {a: b}\n")
    made = cli("model", "create", "-f", str(yaml), "--description", "other: words", "--set", "stage=staging", "-o", "json")
    assert '"description": "other: words"' in made.stdout
    assert '"base_name": "iris-model"' in made.stdout
    assert "azureml:command-line:3" in cli("model", "create", "-f", str(yaml)).stdout
    (folder / "more.txt").write_text("more")
    refused = cli("model", "create", "-f", str(yaml), check=False)
    assert refused.returncode == 1
    assert "line 2" in refused.stderr
    assert "model-version-taken" in refused.stderr
    cli("model", "create", "-f", str(yaml), "--version", "4")
    cli("model", "archive", "command-line", "--version", "4")
    assert cli("model", "show", "command-line", "-o", "name", "--query", "version").stdout.split() == ["3"]
    assert "4" in cli("model", "list", "--name", "command-line", "--include-archived", "--query", "[].version", "-o", "json").stdout
    cli("model", "restore", "command-line", "--version", "4")
    cli("model", "update", "command-line", "--tags", "x=y")
    here = tmp_path / "here"
    cli("model", "download", "command-line", "--version", "3", "-p", str(here))
    fetched = here / "command-line" / "iris-model"
    assert sorted(path.name for path in fetched.rglob("*") if path.is_file()) == ["MLmodel", "classes.csv", "model.pkl"]
    assert (fetched / "model.pkl").read_bytes() == (folder / "model.pkl").read_bytes()
    cli("model", "delete", "command-line", "--version", "4", "--yes")
    cli("model", "delete", "command-line", "--yes")
    assert "command-line" not in cli("model", "list", "-o", "name").stdout


@pytest.mark.cluster
def test_what_the_sample_job_left_becomes_a_model_that_another_job_reads(
    new_context: Callable[..., BrowserContext], studio: Studio, picture: Picture
) -> None:
    job = studio.client.jobs.create(ROOT / "sample" / "train" / "job.yml", overrides=[f"compute={studio.compute}"])
    page = signed_in(new_context().new_page(), studio, f"/w/demo/jobs/{job.name}/")
    expect(page.locator("#job-head")).to_contain_text("Completed", timeout=SLOW_MS)
    page.locator("#job-head").get_by_role("link", name="Register model").click()
    model = page.locator("#id_path")
    assert model.evaluate("select => select.options.length") > 1
    page.locator("#id_name").fill("flowers")
    picture(page, "job-register-model")
    page.get_by_role("button", name="Register model").click()
    expect(page).to_have_url(re.compile(r"/w/demo/models/flowers/versions/1/"))

    version = studio.client.models.get("flowers")
    assert version.job == job.name
    yaml = (
        "type: command\nenvironment: {image: 'python:3.12'}\ncommand: sha256sum $(find ${{inputs.model}} -type f)\n"
        "inputs:\n  model: {type: custom_model, path: 'azureml:flowers@latest'}\n"
    )
    reader = studio.submit(yaml, "display_name=Reads a model")
    assert studio.ended(reader.name).status == "Completed"
    files = studio.client.transport.json("GET", f"workspaces/{studio.workspace}/models/flowers/versions/1/files")["items"]
    log = studio.log_of(reader.name).decode()
    assert all(file["sha256"] in log for file in files)
    page.get_by_role("link", name="Lineage").click()
    expect(page.get_by_role("link", name="Reads a model")).to_be_visible()
    picture(page, "model-lineage-of-a-job")

    # The job goes, the model's files stay.
    studio.client.jobs.delete(job.name)
    studio.until(lambda: not any(one.name == job.name for one in studio.client.jobs.list()), seconds=60, what="the job to be deleted")
    again = studio.client.jobs.resubmit(reader.name)
    assert studio.ended(again.name).status == "Completed"
    page.reload()
    expect(page.get_by_text("deleted since")).to_be_visible()
