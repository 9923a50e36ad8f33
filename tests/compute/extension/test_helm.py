"""Helm as a child: its own kubeconfig and surroundings, bounded in time, and gone with whoever started it."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.extension.helm import Helm, HelmFailed, HelmMissing, find_program, helm_for
from compute.kube.config import Connection

CONNECTION = Connection(server="https://cluster.example:6443", token="secret-token")


def program(folder: Path, body: str, version: str = "v4.2.0") -> str:
    path = folder / "helm"
    path.write_text(f'#!/bin/sh\nif [ "$1" = version ]; then echo {version}; exit 0; fi\n{body}\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def helm(tmp_path: Path) -> Iterator[Helm]:
    with helm_for(CONNECTION, program(tmp_path, 'eval "$1"'), tmp_path, "7") as one:
        yield one


def test_a_helm_that_is_not_there_or_too_old_is_told(tmp_path: Path) -> None:
    with pytest.raises(HelmMissing, match="no program"):
        find_program(str(tmp_path / "helm"))
    with pytest.raises(HelmMissing, match="it takes Helm 4"):
        find_program(program(tmp_path, "", version="v3.19.0"))
    assert find_program(program(tmp_path, "")) == str(tmp_path / "helm")


def test_the_kubeconfig_is_for_the_child_alone_and_goes_with_it(tmp_path: Path) -> None:
    with helm_for(CONNECTION, "helm", tmp_path, "7") as helm:
        assert stat.S_IMODE(helm.kubeconfig.stat().st_mode) == 0o600 and stat.S_IMODE(helm.folder.stat().st_mode) == 0o700
        assert "secret-token" in helm.kubeconfig.read_text()
    assert not helm.folder.exists()


def test_what_a_killed_worker_left_goes_when_the_operation_is_taken_up(tmp_path: Path) -> None:
    left = tmp_path / "helm-7-abc"
    left.mkdir()
    other = tmp_path / "helm-70-abc"
    other.mkdir()
    with helm_for(CONNECTION, "helm", tmp_path, "7"):
        assert not left.exists() and other.exists()


def test_the_child_sees_nothing_of_the_users_configuration(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = helm.run(["env"], seconds=10)
    given = dict(line.partition("=")[::2] for line in printed.splitlines())
    assert given["KUBECONFIG"] == str(helm.kubeconfig) and given["HOME"] == str(helm.folder)
    assert not any(name.startswith(("MOORING_", "DJANGO_", "KUBE_")) for name in given)


def test_an_error_is_told_in_helms_own_words(helm: Helm) -> None:
    with pytest.raises(HelmFailed) as failed:
        helm.run(["echo some work; echo 'Error: it did not do' >&2; exit 1"], seconds=10)
    assert failed.value.text == "it did not do" and "some work" in failed.value.output


def test_one_that_does_not_end_is_ended(helm: Helm) -> None:
    began = time.monotonic()
    with pytest.raises(HelmFailed, match="did not end within"):
        helm.run(["exec sleep 60"], seconds=0.5)
    assert time.monotonic() - began < 10


def test_what_is_raised_while_it_runs_kills_it(helm: Helm) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        helm.run(["exec sleep 60"], seconds=30, while_it_runs=stop)


@pytest.mark.skipif(sys.platform != "linux", reason="a signal at the parent's death is Linux's")
def test_it_goes_with_the_worker_that_is_killed(tmp_path: Path) -> None:
    path = program(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    code = (
        "from pathlib import Path\nfrom compute.extension.helm import helm_for\nfrom compute.kube.config import Connection\n"
        f"with helm_for(Connection(server='https://x'), {path!r}, Path({str(tmp_path)!r}), '1') as helm: helm.run(['x'], seconds=60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    pid = _until(lambda: (tmp_path / "pid").read_text().strip() if (tmp_path / "pid").exists() else "")
    worker.kill()
    worker.wait()
    _until(lambda: not _runs(int(pid)))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def _until(condition):  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_environment_is_not_changed(helm: Helm) -> None:
    assert os.environ.get("HELM_DRIVER") is None
