"""`make run` by somebody who is not root: in a checkout, a home and a cluster of their own, beside everything else of this machine."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import binaries, versions
from sandbox.console import Console
from sandbox.versions import Version
from tests.sandbox.conftest import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SAID = "simulated: no container ran"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


@dataclass(frozen=True)
class Person:
    """Somebody without any right, whose files are all below one folder."""

    uid: int
    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "mooring"

    @property
    def python(self) -> Path:
        """Where this Python is a second time, if they may not come to the first."""
        return self.folder / "python"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def __call__(self, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout."""
        foreign = ("MOORING_", "DJANGO_", "REDIS", "DATABASE_", "KUBECONFIG", "XDG_", "PYTEST_", "MAKE", "MFLAGS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"HOME": str(self.home), "USER": "plain", "RUN_ONCE": "1", "LD_LIBRARY_PATH": str(self.python / "lib")}
        # Without these a root whose rights outlive a change of uid would stay root in all but name.
        drop = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        done = subprocess.run(
            # By a shell of theirs: setpriv itself still finds what only root may see.
            ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", *drop, "sh", "-c", 'exec "$@"', "sh", *words],
            cwd=self.checkout, env=kept | own, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done

    def processes(self) -> list[str]:
        """Return the names of the programs that run under this uid."""
        found = []
        for each in Path("/proc").iterdir():
            try:
                if each.name.isdigit() and each.stat().st_uid == self.uid and (words := (each / "cmdline").read_bytes().split(b"\0"))[0]:
                    found.append(Path(words[0].decode()).name)
            except OSError:  # it ended meanwhile
                continue
        return sorted(found)


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    """Give them what a checkout is after `make setup`, and the programs of a simulated cluster in their cache."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    one = Person(61_000 + os.getpid() % 4_000, Path(tempfile.mkdtemp(prefix="mooring-plain-")))
    one.folder.chmod(0o755)
    try:
        # Nothing to do after `make test`; else what is copied below would not be what `make run` finds done.
        subprocess.run(["make", "setup"], cwd=ROOT, capture_output=True, check=True)
        one.home.mkdir()
        one.checkout.mkdir()
        _checkout(one)
        _environment(one)
        _programs(one)
        subprocess.run(["chown", "--recursive", "--no-dereference", f"{one.uid}:{one.uid}", one.home], check=True)
        yield one
    finally:
        one(".venv/bin/python", "-m", "sandbox", "down", "--purge")
        shutil.rmtree(one.folder)


def _checkout(one: Person) -> None:
    """Copy what is in the repository, and what `make setup` has bundled."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    files = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    subprocess.run(["cp", "--parents", *files, one.checkout], cwd=ROOT, check=True)
    made = [name for name in ("static/dist", "static/collected", ".mooring/docs") if (ROOT / name).exists()]
    subprocess.run(["cp", "--recursive", "--parents", *made, one.checkout], cwd=ROOT, check=True)
    subprocess.run(["chown", "--recursive", f"{one.uid}:{one.uid}", one.checkout], check=True)


def _environment(one: Person) -> None:
    """Make .venv with this Python and this checkout's packages; what they may not read where it is gets a second name."""
    base = Path(sys.base_prefix)
    python = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if one(str(python), "-c", "import venv").returncode:
        libraries = [path for path in base.glob("lib/libpython*") if path.is_file()]
        for path in (base / "lib" / python.name, *libraries, python):
            _named_again(path, one.python / path.relative_to(base))
        python = one.python / "bin" / python.name
    one(str(python), "-m", "venv", "--without-pip", ".venv", check=True)
    packages = next(Path(each) for each in sys.path if each.endswith("site-packages") and each.startswith(sys.prefix))
    if one("test", "-r", str(packages / "django" / "__init__.py")).returncode:
        packages = _named_again(packages, one.folder / "packages")
    own = next(one.checkout.glob(".venv/lib/python*/site-packages"))
    (own / "checkout.pth").write_text(f"{one.checkout}\n{packages}\n")
    # What `setup` has made these of is what it finds again.
    shutil.copy(ROOT / ".venv" / ".made-from", one.checkout / ".venv")


def _programs(one: Person) -> None:
    kubernetes = binaries.kubernetes(Version.parse(versions.KUBERNETES[versions.DEFAULT_KUBERNETES]), node=False)
    for program in (kubernetes, *binaries.SIMULATED):
        found = binaries.gather([program], Console(quiet=True))
        folder = one.home / ".cache" / "mooring" / "bin" / f"{program.name}-{program.version}"
        folder.mkdir(parents=True)
        for name in program.executables:
            shutil.copy2(found[name], folder)


def _named_again(source: Path, target: Path) -> Path:
    """Give files a second name where others may come; copy them where that is another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["cp", "--archive", "--link", source, target], capture_output=True, check=False).returncode:
        subprocess.run(["rm", "--recursive", "--force", target], check=True)
        subprocess.run(["cp", "--archive", source, target], check=True)
    return target


def _as_at_first(one: Person) -> None:
    """Undo what an earlier try of the test has left."""
    one(".venv/bin/python", "-m", "sandbox", "down", "--purge")
    one("find", ".mooring", "-mindepth", "1", "-maxdepth", "1", "!", "-name", "docs", "-exec", "rm", "-r", "{}", "+")


def test_without_root_it_ends_by_saying_that_no_container_ran_and_leaves_nothing_behind(person: Person) -> None:
    _as_at_first(person)
    done = person("make", "run")
    printed = done.stdout + done.stderr
    assert done.returncode != 0, printed
    assert done.stdout.rstrip().endswith(f"\n{SAID}"), printed
    assert "Administrator: admin" in printed and "submitted the sample job" in printed, printed
    assert "(simulated)" in printed and "/w/demo/jobs/" in printed
    # Nothing that could be taken for a success.
    assert "ompleted" not in printed and "answered" not in printed.replace("The pod answered", "")
    with closing(sqlite3.connect(person.checkout / ".mooring" / "mooring.sqlite3")) as database:
        assert database.execute("select status, problem_id from jobs_job").fetchall() == [("Failed", "job-simulated")]
    status = json.loads(person(".venv/bin/python", "-m", "sandbox", "status", "--json", check=True).stdout)
    assert status["mode"] == "simulated" and len(status["nodes"]) == 3
    assert all(node["ready"] and node["simulated"] for node in status["nodes"])
    assert Path(status["kubeconfig"]).is_relative_to(person.home)
    # The studio has gone, the cluster stays until it is stopped.
    assert [name for name in person.processes() if name not in COMPONENTS] == ["python"]
    person("make", "sandbox-down", check=True)
    assert person.processes() == []


def test_a_full_node_is_not_theirs_to_have_and_the_images_are_not_either(person: Person) -> None:
    refused = person(".venv/bin/python", "-m", "sandbox", "images")
    assert refused.returncode == 1
    assert "is no full node" in refused.stderr and "what to do:" in refused.stderr
