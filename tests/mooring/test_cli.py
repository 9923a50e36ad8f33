"""The `mooring` command as a process of its own, against the stand-in of a studio."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mooring.cli import main, session
from tests.mooring.stand_in import STAMP, TOKEN, StandIn
from tests.mooring.test_client import a_job_folder

Run = Callable[..., "Done"]


@pytest.fixture
def environment(held: StandIn, tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    path = str(Path(__file__).resolve().parents[2])
    return {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": path, "MOORING_URL": held.url} | {"MOORING_TOKEN": TOKEN}


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command to its end, within this process: a new one each takes too long."""
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str, stdin: str = "", **changes: str | None) -> Done:
        with monkeypatch.context() as patched:
            for name in [name for name in os.environ if name.startswith(("MOORING_", "XDG_"))]:
                patched.delenv(name)
            for name, value in (environment | changes).items():
                if value is not None:
                    patched.setenv(name, value)
            patched.setattr(sys, "argv", ["mooring", *words])
            patched.setattr(sys, "stdin", io.StringIO(stdin))
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
            code = ended.value.code
        told = capsys.readouterr()
        return Done(code if isinstance(code, int) else 0, told.out, told.err)

    return run_command


def test_a_job_is_created_streamed_and_ends_with_success(held: StandIn, run: Run, tmp_path: Path) -> None:
    held.log = b"epoch 1\nepoch 2\n"
    held.drop_after += [3]
    a_job_folder(tmp_path / "work")
    done = run("job", "create", "-f", "work/job.yml", "-w", "demo", "--set", "compute=local", "--stream")
    assert (done.returncode, done.stdout) == (0, "epoch 1\nepoch 2\n")
    assert f"calm_otter_1\n{held.url}/w/demo/jobs/calm_otter_1/\n" in done.stderr
    assert "calm_otter_1: Queued: waiting for room\n" in done.stderr
    assert done.stderr.endswith("calm_otter_1: Completed\n")
    assert held.submitted[0]["set"] == ["compute=local"]


def test_what_is_streamed_as_it_is_submitted_has_the_time_before_each_line(held: StandIn, run: Run, tmp_path: Path) -> None:
    held.log = b"epoch 1\nepoch 2\n"
    a_job_folder(tmp_path / "work")
    stamped = b"".join(STAMP + line for line in held.log.splitlines(keepends=True)).decode()
    done = run("job", "create", "-f", "work/job.yml", "--stream", "--timestamps")
    assert (done.returncode, done.stdout) == (0, stamped)
    assert run("job", "resubmit", "calm_otter_1", "--stream", "--timestamps").stdout == stamped
    alone = run("job", "create", "-f", "work/job.yml", "--timestamps")
    assert alone.returncode == 2 and "--stream" in alone.stderr and len(held.submitted) == 1


def test_a_failed_job_ends_with_3_and_why(held: StandIn, run: Run, tmp_path: Path) -> None:
    problem = {"id": "job-out-of-memory", "title": "Out of memory", "text": "It used 2 GiB.", "todo": "Take more."}
    held.job("calm", status="Failed", problem=problem)
    done = run("job", "stream", "calm")
    assert done.returncode == 3
    assert "calm: Failed\nOut of memory\nIt used 2 GiB.\nTake more.\n(job-out-of-memory)\n" in done.stderr


def test_without_stream_the_name_and_the_address_are_printed(held: StandIn, run: Run, tmp_path: Path) -> None:
    a_job_folder(tmp_path / "work")
    done = run("job", "create", "-f", "work/job.yml", "-n", "mine", "--retries", "2")
    assert done.stdout == f"calm_otter_1\n{held.url}/w/demo/jobs/calm_otter_1/\n"
    assert held.submitted[0]["set"] == ["name=mine", "retry_settings.max_retries=2"]
    assert run("job", "create", "-f", "work/job.yml", "-o", "name").stdout == "calm_otter_2\n"
    assert run("job", "create", "-f", "work/job.yml", "--query", "status").stdout == "Queued\n"


def test_errors_in_yaml_are_printed_by_line(held: StandIn, run: Run, tmp_path: Path) -> None:
    error = {"field": "compute", "line": 4, "column": 10, "detail": "There is no compute cpu-cluster."}
    told = {"id": "job-yaml-invalid", "title": "The YAML is not right", "todo": "Correct it.", "errors": [error]}
    told["detail"] = error["detail"]
    held.answers.append(("POST /api/v1/workspaces/demo/jobs", 422, told))
    a_job_folder(tmp_path / "work")
    done = run("job", "create", "-f", "work/job.yml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "The YAML is not right\n  line 4, column 10: compute: There is no compute cpu-cluster.\nCorrect it.\n(job-yaml-invalid)\n"
    )


def test_a_wait_is_shown_with_what_would_end_it(held: StandIn, run: Run) -> None:
    held.job("calm", status="Queued", reason="Waiting for room", next_step="Choose a smaller instance type.")
    shown = run("job", "show", "calm").stdout
    assert "Waiting for room" in shown and "Choose a smaller instance type." in shown


def test_wrong_usage_ends_with_2(run: Run) -> None:
    assert run("job", "create").returncode == 2
    assert run("job", "show").returncode == 2
    assert "two names" in run("job", "show", "a", "-n", "b").stderr
    assert run("no-such-command").returncode == 2
    assert run("job", "create", "-f", "job.yml", "--retries", "21").returncode == 2


def test_an_interrupt_ends_with_130_and_leaves_the_job(held: StandIn, environment: dict[str, str], tmp_path: Path) -> None:
    held.log = b"begun\n"
    held.job("calm", status="Running")
    command = [sys.executable, "-m", "mooring", "job", "stream", "calm"]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "`mooring job stream calm` shows it again" in told
    assert held.jobs["calm"]["status"] == "Running"


def test_jobs_are_listed_shown_and_queried(held: StandIn, run: Run) -> None:
    held.job("calm", compute="local", created_at="2026-11-23T19:00:00Z", tags={"a": "b"})
    held.job("wild", status="Failed")
    lines = run("job", "list").stdout.splitlines()
    assert lines[0].split() == [
        "NAME",
        "DISPLAY",
        "NAME",
        "EXPERIMENT",
        "STATUS",
        "COMPUTE",
        "CREATED",
        "AT",
        "SUBMITTED",
        "BY",
    ]
    assert [line.split()[0] for line in lines[1:]] == ["wild", "calm"]
    assert json.loads(run("job", "list", "-o", "json").stdout)[1]["name"] == "calm"
    assert yaml.safe_load(run("job", "show", "calm", "-o", "yaml").stdout)["tags"] == {"a": "b"}
    assert run("job", "list", "--query", "[?status=='Failed'].name", "-o", "json").stdout == '[\n  "wild"\n]\n'
    assert run("job", "list", "-o", "name").stdout == "wild\ncalm\n"
    assert "tags" in run("job", "show", "-n", "calm").stdout


def test_a_wrong_query_and_a_wrong_format_are_problems(held: StandIn, run: Run) -> None:
    assert "(query-invalid)" in run("job", "list", "--query", "[[").stderr
    assert "(output-unknown)" in run("job", "list", "-o", "xml").stderr


def test_cancel_waits_until_the_job_has_ended(held: StandIn, run: Run) -> None:
    held.job("calm", status="Running")
    done = run("job", "cancel", "-n", "calm")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "calm: Canceled")


def test_deleting_without_a_terminal_needs_yes(held: StandIn, run: Run) -> None:
    held.job("calm")
    assert run("job", "delete", "calm").returncode == 2
    assert "calm" in held.jobs
    assert run("job", "delete", "calm", "-y").returncode == 0
    assert "calm" not in held.jobs


def test_a_job_is_resubmitted(held: StandIn, run: Run) -> None:
    held.job("calm")
    assert run("job", "resubmit", "calm", "-o", "name").stdout == "calm_again\n"


def test_outputs_are_fetched_into_a_folder(held: StandIn, run: Run, tmp_path: Path) -> None:
    held.job("calm")
    held.outputs = {("artifacts", "outputs/model.txt"): b"weights"}
    done = run("job", "download", "-n", "calm", "-p", "got")
    assert done.stdout == "got/artifacts/outputs/model.txt\n"
    assert (tmp_path / "got/artifacts/outputs/model.txt").read_bytes() == b"weights"


def test_a_yaml_is_validated_without_a_job(held: StandIn, run: Run, tmp_path: Path) -> None:
    a_job_folder(tmp_path / "work")
    done = run("job", "validate", "-f", "work/job.yml")
    assert (done.stdout, done.stderr) == ("work/job.yml is right\n", "warning: services are ignored\n")
    assert held.submitted == []


def test_a_cluster_is_attached_from_a_file_or_standard_input_and_detached(held: StandIn, run: Run, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("apiVersion: v1")
    done = run("cluster", "attach", "edge", "-f", "kubeconfig", "--context", "prod", "-o", "json")
    assert json.loads(done.stdout) == {"name": "edge", "status": "ready"}
    assert run("cluster", "attach", "far", "-f", "-", "--no-wait", "-o", "name", stdin="piped").stdout == "far\n"
    sent = [json.loads(body) for method, path, body in held.asked if (method, path) == ("POST", "/api/v1/clusters")]
    assert [(one["kubeconfig"], one["context"]) for one in sent] == [("apiVersion: v1", "prod"), ("piped", "")]
    assert run("cluster", "manifest", "edge").stdout == "kind: ServiceAccount # edge\n"
    assert run("cluster", "manifest", "--namespace", "team-a").stdout == "kind: ServiceAccount # team-a\n"
    assert "goes: 2 objects" in run("cluster", "detach", "edge", "--yes").stderr
    assert run("cluster", "list", "-o", "name").stdout == "far\n"


def test_a_cluster_is_attached_in_one_way_only(run: Run) -> None:
    assert run("cluster", "attach", "edge").returncode == 2
    assert run("cluster", "attach", "edge", "--in-cluster", "-f", "x").returncode == 2


def test_an_instance_type_is_made_from_options_and_from_a_resource(held: StandIn, run: Run, tmp_path: Path) -> None:
    words = ("instance-type", "create", "-c", "edge")
    assert run(*words, "small", "--cpu", "500m", "--memory", "1Gi", "--node-selector", "pool=a").returncode == 0
    assert held.types["small"]["spec"]["nodeSelector"] == {"pool": "a"}
    resource = {
        "apiVersion": "amlarc.azureml.com/v1alpha1",
        "kind": "InstanceType",
        "metadata": {"name": "gpu"},
        "spec": {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1", "nvidia.com/gpu": 1}}},
    }
    (tmp_path / "type.yml").write_text(yaml.safe_dump(resource))
    assert run(*words, "-f", "type.yml").returncode == 0
    assert held.types["gpu"]["spec"] == resource["spec"]


def test_a_compute_is_attached_listed_and_detached(held: StandIn, run: Run) -> None:
    done = run("compute", "attach", "local", "-c", "edge", "--namespace", "team-a", "-o", "json")
    assert json.loads(done.stdout)["namespace"] == "team-a"
    assert run("compute", "list", "-o", "name").stdout == "local\n"
    assert run("compute", "detach", "local", "-y", "--running", "leave", "--no-wait").returncode == 0
    assert held.asked[-1][:2] == ("DELETE", "/api/v1/workspaces/demo/computes/local?running=leave")


def test_clusters_are_listed_with_what_is_free(held: StandIn, run: Run) -> None:
    both = {"total": 2 * 2**30, "requested": 2**29}
    capacity = {"nodes": 3, "nodes_ready": 2, "cpu": {"total": 4.0, "requested": 0.55}, "memory": both, "gpu": {}}
    held.clusters["edge"] = {"name": "edge", "status": "ready", "capacity": capacity}
    heads, row = run("cluster", "list").stdout.splitlines()
    assert row.split("  ")[0] == "edge"
    assert "2 of 3" in row and "0.55 of 4" in row and "0.5 of 2 GiB" in row
    assert "KUBERNETES VERSION" in heads


def test_tables_say_what_is_simulated_and_what_is_insecure(held: StandIn, run: Run) -> None:
    held.clusters["edge"] = {"name": "edge", "status": "ready", "simulated": True, "insecure": True}
    for words in (("list",), ("show", "edge")):
        shown = " ".join(run("cluster", *words).stdout.lower().split())
        assert "simulated" in shown and "insecure" in shown and shown.count("yes") == 2
    held.job("calm", compute="local", simulated=True)
    assert "local (simulated)" in run("job", "list").stdout and "local (simulated)" in run("job", "show", "calm").stdout
    assert run("job", "show", "calm", "--query", "compute").stdout == "local\n"
    assert "SIMULATED" in run("compute", "list").stdout.splitlines()[0]


def test_login_with_a_password_stores_a_token_for_this_user_alone(held: StandIn, run: Run, environment: dict[str, str]) -> None:
    done = run("login", "--username", "ada", stdin="open sesame\n", MOORING_TOKEN=None)
    assert done.returncode == 0, done.stderr
    kept = Path(environment["HOME"], ".config/mooring/credentials")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text()) == {"url": held.url, "token": TOKEN, "workspace": "demo"}
    assert "open sesame" not in done.stdout + done.stderr
    assert "ada" in run("whoami", MOORING_TOKEN=None, MOORING_URL=None).stdout


def test_a_wrong_password_is_refused_and_nothing_is_stored(held: StandIn, run: Run, tmp_path: Path) -> None:
    done = run("login", "--username", "ada", stdin="wrong\n", MOORING_TOKEN=None)
    assert (done.returncode, "(sign-in-refused)" in done.stderr) == (1, True)
    assert not list(tmp_path.rglob("credentials"))


def test_login_with_a_token_reads_it_from_standard_input(held: StandIn, run: Run) -> None:
    assert run("login", "--token", "-", stdin=f"{TOKEN}\n", MOORING_TOKEN=None).returncode == 0
    assert run("login", "--token", "-", stdin="mrg_wrong\n", MOORING_TOKEN=None).returncode == 1
    assert run("whoami", MOORING_TOKEN=None).returncode == 0


def test_logout_forgets_and_revokes(held: StandIn, run: Run, tmp_path: Path) -> None:
    run("login", "--token", "-", stdin=f"{TOKEN}\n", MOORING_TOKEN=None)
    assert run("logout").stdout == f"signed out of {held.url}\n"
    assert held.revoked
    assert not list(tmp_path.rglob("credentials"))


def test_a_stored_token_is_not_sent_to_another_address(held: StandIn, run: Run) -> None:
    run("login", "--token", "-", stdin=f"{TOKEN}\n", MOORING_TOKEN=None)
    before = len(held.asked)
    other = held.url.replace("127.0.0.1", "localhost")
    done = run("whoami", MOORING_URL=other, MOORING_TOKEN=None)
    assert "(not-signed-in)" in done.stderr
    assert len(held.asked) == before


def test_the_token_that_a_studio_of_this_machine_left_is_used(held: StandIn, run: Run, tmp_path: Path) -> None:
    file = tmp_path / ".mooring" / "run" / "cli-token.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"url": held.url, "token": TOKEN}))
    file.chmod(0o600)
    assert "ada" in run("whoami", MOORING_URL=None, MOORING_TOKEN=None).stdout


def test_a_token_file_that_others_can_read_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: StandIn) -> None:
    for name in ("MOORING_URL", "MOORING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MOORING_DATA", str(tmp_path))
    file = tmp_path / "run" / "cli-token.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"url": held.url, "token": TOKEN}))
    file.chmod(0o600)
    assert session.current().token == TOKEN
    file.chmod(0o644)
    with pytest.raises(session.MooringError):
        session.current()


def test_nothing_known_says_what_to_do(run: Run, tmp_path: Path) -> None:
    done = run("job", "list", MOORING_URL=None, MOORING_TOKEN=None, MOORING_DATA=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "mooring login" in done.stderr


def test_a_studio_that_is_down_is_a_problem_and_no_traceback(run: Run) -> None:
    done = run("login", "--token", "x", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "(studio-unreachable)" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_starts_quickly_as_a_process_of_its_own(environment: dict[str, str]) -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "mooring", "version"]
        assert subprocess.run(command, env=environment, capture_output=True, check=True).stdout.count(b".") == 2
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Processor time: what else the machine is doing must not decide this.
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.4


def test_what_is_slow_to_import_is_imported_when_needed(environment: dict[str, str]) -> None:
    script = "import sys, mooring.cli.app; print([m for m in ('httpx', 'yaml', 'asyncio', 'redis') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_help_needs_no_network_and_names_every_command(run: Run) -> None:
    told = run("--help").stdout
    for word in ("login", "logout", "whoami", "workspace", "cluster", "compute", "instance-type", "job", "up", "down"):
        assert word in told
