"""Large files leave the studio in pieces: a download of 2 GB does not grow the web process by more than 50 MB."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.databases import database_of
from tests.studio_process import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

ROOT = Path(__file__).resolve().parents[3]
SIZE = 2 * 1024**3
GROWTH_MB = 50
# Makes a job with one output of SIZE bytes; the content is a hole in a file, which costs no disk.
SEED = """
import os, sys, django
django.setup()
from django.utils import timezone
from jobs.models import Job, Output
from studio.accounts.models import ApiToken, User, Workspace
from studio.assets.services import store
user = User.objects.create_user("ada", is_superuser=True)
space = Workspace.objects.create(name="team")
job = Job.objects.create(name="large", workspace=space, yaml="", command="", image="x", compute_name="c", namespace="n",
                         status="Completed", cleaned=True)
digest = "sha256:" + "ab" * 32
path = store().path(digest)
path.parent.mkdir(parents=True, exist_ok=True)
path.touch()
os.truncate(path, int(sys.argv[1]))
Output.objects.create(job=job, root="artifacts", path="outputs/large.bin", size=int(sys.argv[1]), digest=digest)
print(ApiToken.issue(user, name="test")[1])
"""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, str, int]]:
    """Serve a studio with one large output; return its URL, a token and the web process's id."""
    port = free_port("127.0.0.1")
    environment = {
        **os.environ,
        **database_of(tmp_path / "data"),
        "MOORING_DATA": str(tmp_path / "data"),
        "MOORING_LISTEN": f"127.0.0.1:{port}",
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "PYTHONPATH": str(ROOT),
    }
    options: dict[str, Any] = {"cwd": ROOT, "env": environment, "check": True, "capture_output": True, "text": True}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], **options)
    token = subprocess.run([sys.executable, "-c", SEED, str(SIZE)], **options).stdout.strip().splitlines()[-1]
    process = subprocess.Popen([sys.executable, "-m", "studio.web"], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{url}/healthz"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url, token, process.pid
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("path", ["outputs/artifacts/outputs/large.bin", "outputs.zip"], ids=["file", "zip"])
def test_a_download_of_2_gb_does_not_grow_the_web_process(web: tuple[str, str, int], path: str) -> None:
    url, token, pid = web
    headers = {"Authorization": f"Bearer {token}"}
    whole = f"{url}/api/v1/workspaces/team/jobs/large/"
    assert json.loads(httpx.get(f"{whole}outputs", headers=headers, timeout=30).text)["items"][0]["size"] == SIZE
    before, peak, received = _resident_mb(pid), 0.0, 0
    with httpx.stream("GET", whole + path, headers=headers, timeout=120) as answer:
        assert answer.status_code == 200
        for number, piece in enumerate(answer.iter_raw(1024 * 1024)):
            received += len(piece)
            if number % 16 == 0:
                peak = max(peak, _resident_mb(pid))
    assert received == SIZE or path.endswith(".zip")
    assert received > 0
    assert peak - before <= GROWTH_MB, f"grew from {before:.0f} to {peak:.0f} MB"


def _resident_mb(pid: int) -> float:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
