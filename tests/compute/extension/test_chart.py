"""The packed chart of Envoy Gateway is unpacked file by file: nothing lands outside its folder, whichever Python runs."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from compute.extension.chart import ChartUnusable, _unpacked


def packed(folder: Path, **more: bytes) -> Path:
    archive = folder / "gateway-helm-1.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in {"gateway-helm/Chart.yaml": b"name: gateway-helm\n", **more}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive


def test_it_unpacks_with_a_python_that_knows_no_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.delattr(tarfile.TarFile, "extractall")
    folder = _unpacked(packed(tmp_path, **{"gateway-helm/templates/one.yaml": b"one"}), tmp_path / "into")
    assert (folder / "templates" / "one.yaml").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["../outside", "gateway-helm/../../outside", "/tmp/outside-of-the-chart"])
def test_it_refuses_a_path_that_leads_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ChartUnusable, match="leads out of its folder"):
        _unpacked(packed(tmp_path, **{name: b"x"}), tmp_path / "into")
    assert not (tmp_path / "outside").exists() and not Path("/tmp/outside-of-the-chart").exists()
