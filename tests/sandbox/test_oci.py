from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from sandbox.oci import Entry, entries_below, layer_of_entries


def test_a_layer_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    entries = [Entry("b", content=b"two", mode=0o755), Entry("a", content=b"one"), Entry("c", link="a")]
    first = layer_of_entries(tmp_path / "1", entries)
    second = layer_of_entries(tmp_path / "2", reversed(entries))
    assert first.digest == second.digest


def test_a_layer_names_the_digests_of_both_its_forms(tmp_path: Path) -> None:
    layer = layer_of_entries(tmp_path / "1", [Entry("a", content=b"one")])
    packed = layer.path.read_bytes()
    assert layer.size == len(packed)
    assert layer.digest == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(packed)).hexdigest()}"


def test_the_files_of_a_layer_belong_to_root_and_can_be_read_by_all(tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "program").write_text("#!/bin/sh\n")
    (source / "inner" / "program").chmod(0o700)
    (source / "link").symlink_to("inner/program")
    layer = layer_of_entries(tmp_path / "1", entries_below(source, "/opt/tree"))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.path.read_bytes()))) as archive:
        found = {member.name: member for member in archive}
    assert set(found) == {"opt/tree", "opt/tree/inner", "opt/tree/inner/program", "opt/tree/link"}
    assert found["opt/tree/inner/program"].mode == 0o755
    assert all(member.uid == 0 and member.mtime == 0 for member in found.values())
    assert found["opt/tree/link"].linkname == "inner/program"
