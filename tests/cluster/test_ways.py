"""Every way on which a job's files and log can travel, with real pods: who dials whom is all that differs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.databases import change
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

YAML = """
type: command
environment: {image: "python:3.11"}
code: src
command: |
  python count.py ${{inputs.table}}
  cp ${{inputs.table}} ${{outputs.kept}}/copy.csv
inputs:
  table: {type: uri_file, path: table.csv}
outputs:
  kept: {type: uri_folder}
"""
CODE = """
import sys, time
print(open(sys.argv[1]).read().strip())
for number in range(2000):
    print("line", number, flush=True)
    time.sleep(0.0005)
"""
PRINTED = b"a,b\n" + b"".join(b"line %d\n" % number for number in range(2000))


@contextlib.contextmanager
def ways(studio: Studio, route: str, reached: bool) -> Iterator[None]:
    """Let the studio believe for a while that the cluster's probe had found other ways."""
    found = "UPDATE compute_cluster SET log_route = ?, pods_reach_studio = ?"
    change(studio.data, found, route, reached)
    try:
        yield
    finally:
        change(studio.data, found, "proxy", True)


@pytest.mark.parametrize(
    ("route", "reached"),
    [("proxy", True), ("proxy", False), ("port-forward", True), ("port-forward", False), ("pods-log", True)],
    ids=["proxy", "proxy-pushed", "port-forward", "port-forward-pushed", "kubelet"],
)
def test_code_input_log_and_output_arrive_whole(studio: Studio, tmp_path: Path, route: str, reached: bool) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "count.py").write_text(CODE)
    (tmp_path / "table.csv").write_text("a,b\n")
    with ways(studio, route, reached):
        job = studio.submit(YAML, folder=tmp_path)
        ended = studio.ended(job.name)
    assert ended.status == "Completed", f"{ended.reason}\n{studio.tail()}"
    assert studio.log_of(job.name) == PRINTED
    studio.client.jobs.download(job.name, tmp_path / "got")
    assert (tmp_path / "got" / "named-outputs" / "kept" / "copy.csv").read_text() == "a,b\n"
