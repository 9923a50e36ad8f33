"""What the benchmarks read from logs, from /proc and from the API server's events."""

import hashlib

from benchmarks.live_logs import compared, established, figures_of, printed_lines, proc_address
from benchmarks.machine import field_of, machine
from benchmarks.submit import bare_job

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue
   0: 0200820A:C350 0500820A:2124 01 00000000:00000000
   1: 0200820A:C351 0500820A:2124 06 00000000:00000000
   2: 0200820A:C352 0600820A:2124 01 00000000:00000000
"""


def test_only_open_connections_to_the_pod_count_as_streams() -> None:
    assert established(TABLE, proc_address("10.130.0.5", 8484)) == 1


def test_a_torn_line_counts_as_none() -> None:
    printed, numbers = printed_lines(["0000000 10.000000 ok", "0000001 10.0", "0000001 10.001000 ok", "some other line"])
    assert numbers == [0, 1]
    assert printed == {0: 10.0, 1: 10.001}


def test_a_line_that_the_page_lacks_is_lost_although_it_was_kept() -> None:
    kept = b"0000000 10.000000 ok\n0000001 10.001000 ok\n"
    figures = figures_of([[0, 0, 10.0, 10.02]], ["0000000 10.000000 ok"], kept, 2)
    assert (figures["lost"], figures["doubled"], figures["reordered"], figures["p50_ms"]) == (1, 0, 0, 20.0)


def test_a_viewer_with_other_bytes_than_were_kept_is_found() -> None:
    good, bad = (hashlib.sha256(text).hexdigest() for text in (b"abc", b"abd"))
    reports = [
        {"end": 3, "gaps": 0, "repeats": 0, "sha256": good, "waits": [0.01]},
        {"end": 3, "gaps": 0, "repeats": 1, "sha256": bad, "waits": []},
        {"end": 2, "gaps": 0, "repeats": 0, "sha256": bad, "waits": []},
    ]
    assert compared(reports, b"abc") == {"count": 3, "lost": 1, "doubled": 1, "different": 1, "p50_ms": 10.0, "p99_ms": 10.0}


def test_the_machine_has_cores_and_memory() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["memory_mb"] > 0
    assert field_of("model name\t: A\nmodel name\t: B", "model name") == "A"


def test_the_bare_job_passes_the_restricted_level() -> None:
    pod = bare_job("bare-1")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
