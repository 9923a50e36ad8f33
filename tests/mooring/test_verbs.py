"""What every verb has: examples that can be typed, names that the shell completes, flags of `az ml`; and the doctor."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from mooring.cli.app import app
from mooring.cli.examples import EXAMPLES
from mooring.cli.verbs import AS_IT_IS
from mooring.errors import MooringError
from tests.mooring.stand_in import TOKEN, StandIn

TOP = typer.main.get_command(app)


@pytest.fixture(autouse=True)
def signed_in(held: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MOORING_URL", held.url)
    monkeypatch.setenv("MOORING_TOKEN", TOKEN)
    monkeypatch.setenv("MOORING_WORKSPACE", "demo")


def run(*words: str, **more: Any) -> Result:
    return CliRunner().invoke(app, words, **more)


def verbs(command: Any = TOP, path: tuple[str, ...] = ()) -> Any:
    for name, one in command.commands.items():
        yield from verbs(one, (*path, name)) if hasattr(one, "commands") else [(" ".join((*path, name)), one)]


def test_every_example_is_of_a_verb_and_its_arguments_are_read() -> None:
    of = dict(verbs())
    for name, lines in EXAMPLES.items():
        assert name in of, f"there is no mooring {name}"
        for line in lines:
            words = shlex.split(line.partition(" > ")[0].partition(" < ")[0].partition(" | ")[0])
            assert words[:1] == ["mooring"] and " ".join(words[1:]).startswith(name), line
            of[name].make_context(name, words[1 + len(name.split()) :])


# What takes longer than an answer: it can be left to itself.
LONG = {
    "cluster attach", "cluster detach", "cluster network certificate", "cluster network check", "compute attach", "compute detach",
    *(f"extension {verb}" for verb in ("install", "change", "rollback", "remove")),
    "job create", "job cancel", "online-endpoint create", "online-endpoint update", "online-endpoint delete", "online-endpoint regenerate-keys",
    *(f"online-deployment {verb}" for verb in ("create", "update", "delete", "scale", "rollback", "retry", "rollout")),
}  # fmt: skip


def takes(verb: Any, *options: str) -> bool:
    return set(options) <= {name for param in verb.params for name in param.opts}


def test_every_verb_has_examples_in_its_help() -> None:
    assert [name for name, _ in verbs() if name not in EXAMPLES] == []
    for name in ("search", "cluster detach", "extension remove", "notification choose"):
        assert EXAMPLES[name][0] in run(*name.split(), "--help").output


def test_every_verb_gives_its_result_in_every_form() -> None:
    of = dict(verbs())
    assert [name for name, verb in of.items() if name not in AS_IT_IS and not takes(verb, "--output", "-o", "--query")] == []
    assert of.keys() >= AS_IT_IS
    # What lists or shows is never among those that have no result.
    assert not {name for name in AS_IT_IS if name.split()[-1] in ("list", "show", "members", "status", "whoami", "search")}


def test_what_takes_long_can_be_left_to_itself() -> None:
    of = dict(verbs())
    assert [name for name in sorted(LONG) if not takes(of[name], "--no-wait")] == []


def test_what_takes_something_away_asks_first() -> None:
    taking = ("delete", "detach", "remove", "revoke", "deactivate", "leave", "remove-member", "clear-failed", "reset")
    assert [name for name, verb in verbs() if name.split()[-1] in taking and not takes(verb, "--yes", "-y")] == []


def test_what_could_not_be_printed_is_not_begun(held: StandIn) -> None:
    for words, id in ((("-o", "tsv"), "output-unknown"), (("--query", "[?"), "query-invalid")):
        refused = run("cluster", "detach", "edge", "-y", *words)
        assert isinstance(refused.exception, MooringError) and refused.exception.id == id
    assert held.asked == []


def test_a_verb_that_does_something_says_so_as_asked(held: StandIn) -> None:
    held.clusters["edge"] = {"name": "edge", "status": "ready"}
    plain = run("cluster", "detach", "edge", "-y")
    assert plain.stdout == "" and "edge detached" in plain.stderr
    held.clusters["edge"] = {"name": "edge", "status": "ready"}
    assert json.loads(run("cluster", "detach", "edge", "-y", "-o", "json").stdout)["status"] == "detached"
    held.clusters["edge"] = {"name": "edge", "status": "ready"}
    assert run("cluster", "detach", "edge", "-y", "--no-wait", "--query", "status").stdout == "detaching\n"
    assert run("version", "-o", "yaml").stdout.startswith("version: ")
    assert run("--version").stdout == run("version").stdout


def test_what_is_only_looked_at_is_told_and_nothing_is_sent_to_be_done(held: StandIn, tmp_path: Path) -> None:
    difference = {"settings": {"enableInference": "True"}, "difference": {"enableInference": ["False", "True"]}}
    at_work = {"id": 7, "kind": "install", "status": "done", "steps": [{"key": "a", "title": "Definitions", "state": "done"}], "objects": []}
    tried = {"id": 3, "status": "done", "results": [{"url": "https://x", "kind": "refused", "via": "", "ms": 3, "status": None, "error": "no"}]}
    held.answers += [("POST /api/v1/clusters/edge/extension/check", 200, difference),
                     ("GET /api/v1/clusters/edge/extension/operations/7", 200, at_work),
                     ("GET /api/v1/clusters/edge/extension/revisions/2", 200, {"number": 2, "manifest": "kind: Gateway"}),
                     ("GET /api/v1/clusters/edge/network/checks/3", 200, tried),
                     ("POST /api/v1/workspaces/demo/online-endpoints/validate", 200, {"valid": True, "warnings": ["Old API"]}),
                     ("POST /api/v1/workspaces/demo/online-endpoints/flowers/deployments/validate", 200, {"valid": True, "warnings": []})]  # fmt: skip
    assert run("extension", "check", "edge", "-s", "enableInference=True").stdout == "enableInference: False → True\n"
    assert "✓ Definitions" in run("extension", "operations", "edge", "--id", "7").stdout
    assert run("extension", "revision", "edge", "2", "-o", "json", "--query", "manifest").stdout == "\"kind: Gateway\"\n"
    assert run("cluster", "network", "show-check", "edge", "3").exit_code == 1
    file = tmp_path / "one.yml"
    file.write_text("name: blue\nendpoint_name: flowers\nmodel: azureml:flowers:3\n")
    said = run("online-endpoint", "validate", "-f", str(file))
    assert said.stdout == f"{file} is right\n" and "Old API" in said.stderr
    assert run("online-deployment", "validate", "-f", str(file)).stdout == f"{file} is right\n"
    assert {method for method, *_ in held.asked} <= {"GET", "POST"}
    file.write_text("name: blue\nmodel: azureml:flowers:3\n")
    refused = run("online-deployment", "validate", "-f", str(file))
    assert isinstance(refused.exception, MooringError) and refused.exception.id == "endpoint-name-missing"


def test_a_list_that_is_cut_says_so(held: StandIn) -> None:
    for number in range(3):
        held.job(f"calm_otter_{number}")
    cut, whole = run("job", "list", "-r", "2", "-o", "name"), run("job", "list", "-r", "3", "-o", "name")
    assert len(cut.stdout.split()) == 2 and cut.stderr == "the first 2; more with --max-results\n"
    assert len(whole.stdout.split()) == 3 and whole.stderr == ""


def test_a_result_in_a_pipe_has_neither_colours_nor_progress(held: StandIn) -> None:
    held.clusters["edge"] = {"name": "edge", "status": "ready"}
    for words in (("cluster", "list"), ("cluster", "show", "edge"), ("doctor",), ("cluster", "detach", "edge", "-y")):
        answer = run(*words)
        assert "\x1b" not in answer.stdout + answer.stderr and "\r" not in answer.stderr, words


def test_the_help_of_a_verb_ends_with_examples_and_exit_codes() -> None:
    said = run("job", "create", "--help").output
    assert "mooring job create -f job.yml --stream" in said and "3 the job" in said


def test_flags_of_the_original_that_mean_nothing_are_ignored_with_a_note(held: StandIn) -> None:
    held.job("calm_otter")
    answer = run("job", "show", "-n", "calm_otter", "-g", "rg", "--workspace-name", "demo", "--subscription=s", "-o", "name")
    assert answer.exit_code == 0 and answer.stdout == "calm_otter\n"
    assert "-g rg means nothing" in answer.stderr and "--subscription s" in answer.stderr


@pytest.mark.parametrize(("line", "found"), [("mooring job sh", "show"), ("mooring job show ca", "calm_otter"), ("mooring job list -w d", "demo"), ("mooring cluster show e", "edge")])
def test_the_shell_completes_verbs_and_names(line: str, found: str, held: StandIn) -> None:
    held.job("calm_otter")
    held.clusters["edge"] = {"name": "edge", "status": "ready"}
    asked = {"_MOORING_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    assert found in run(env=asked, prog_name="mooring").stdout.split()


def test_a_shell_that_asks_for_names_is_never_told_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_URL", "http://127.0.0.1:1")
    line = "mooring job show ca"
    answer = run(env={"_MOORING_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3"}, prog_name="mooring")
    assert answer.output.strip() == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    assert "_MOORING_COMPLETE" in run("completion", shell).stdout


def test_the_doctor_finds_a_studio_that_is_well(held: StandIn) -> None:
    held.clusters["edge"] = {"name": "edge", "status": "ready"}
    answer = run("doctor", "-o", "json")
    checks = {one["check"]: one for one in json.loads(answer.stdout)}
    assert answer.exit_code == 0
    assert {"Python", "configuration", "studio", "versions", "sign-in", "workspace", "cluster edge"} <= checks.keys()
    assert checks["versions"]["state"] == checks["cluster edge"]["state"] == "good"


def test_the_doctor_says_what_to_do_about_what_is_wrong(held: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    held.clusters["edge"] = {"name": "edge", "status": "unreachable", "reason": "no answer"}
    wrong = [one for one in json.loads(run("doctor", "-o", "json").stdout) if one["state"] == "wrong"]
    assert [one["check"] for one in wrong] == ["cluster edge"] and "mooring cluster show edge" in wrong[0]["todo"]
    monkeypatch.setenv("MOORING_TOKEN", "mrg_old")
    answer = run("doctor")
    assert answer.exit_code == 1 and "mooring login" in answer.stdout
    monkeypatch.setenv("MOORING_URL", "http://127.0.0.1:1")
    assert "Check the address" in run("doctor").stdout


@pytest.mark.parametrize("missing", [True, False])
def test_the_doctor_tells_administrators_of_an_address_that_is_not_set(missing: bool, held: StandIn) -> None:
    roles = {"operator": False, "administrator": True}
    held.answers.append(("GET /api/v1/me", 200, {"username": "ada", "roles": roles, "workspaces": []}))
    address = {"public": "" if missing else "https://studio.example", "listens": ["0.0.0.0:8080"], "missing": missing}
    held.answers.append(("GET /api/v1/system", 200, {"address": address}))
    checks = {one["check"]: one for one in json.loads(run("doctor", "-o", "json").stdout)}
    told = checks["the studio's address"]
    assert told["state"] == ("look" if missing else "good") and ("MOORING_PUBLIC_URL" in told["todo"]) == missing
    assert ("0.0.0.0:8080" if missing else "https://studio.example") in told["found"]


def test_a_problem_says_who_can_do_it(held: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    from mooring.cli.output import print_error

    held.answers.append(("GET /api/v1/clusters", 403, {"id": "not-allowed", "title": "Not allowed", "who": "operator"}))
    answer = run("cluster", "list")
    assert isinstance(answer.exception, MooringError)
    print_error(answer.exception)
    assert "(not-allowed; IT operations can do it)" in capsys.readouterr().err
