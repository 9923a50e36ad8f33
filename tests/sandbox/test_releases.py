"""Programs as their projects publish them, from a server of this machine that stands in for all of them (a mirror)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox import binaries, releases
from sandbox.binaries import Program
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.releases import Release
from sandbox.versions import Version

# Where each project publishes what, as its own pages say: the file, and the names in it.
PUBLISHED = {
    "etcd": ("github.com/etcd-io/etcd/releases/download/v3.7.3/etcd-v3.7.3-linux-amd64.tar.gz", ["etcd-v3.7.3-linux-amd64/etcd"]),
    "kwok": ("github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok-linux-amd64", []),
    "coredns": ("github.com/coredns/coredns/releases/download/v1.15.0/coredns_1.15.0_linux_amd64.tgz", ["coredns"]),
    "helm": ("get.helm.sh/helm-v4.2.4-linux-amd64.tar.gz", ["linux-amd64/helm", "linux-amd64/LICENSE"]),
    "containerd": (
        "github.com/containerd/containerd/releases/download/v2.4.2/containerd-2.4.2-linux-amd64.tar.gz",
        ["bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr", "bin/containerd-stress"],
    ),
    "runc": ("github.com/opencontainers/runc/releases/download/v1.4.1/runc.amd64", []),
    "cni": (
        "github.com/containernetworking/plugins/releases/download/v1.9.0/cni-plugins-linux-amd64-v1.9.0.tgz",
        ["./bridge", "./host-local", "./loopback", "./portmap", "./vlan"],
    ),
    "registry": ("github.com/distribution/distribution/releases/download/v3.1.2/registry_3.1.2_linux_amd64.tar.gz", ["registry", "README.md"]),
    **{name: (f"dl.k8s.io/v1.36.3/bin/linux/amd64/{name}", []) for name in (*binaries.CONTROL_PLANE, *binaries.NODE)},
}  # fmt: skip
ADDRESS = "example.org/tool/v1.2.3/tool.tgz"


class Site(SimpleHTTPRequestHandler):
    """Serve a folder; a file beside which lies ``<name>.cut`` breaks off half-way."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.with_name(f"{path.name}.cut").exists():
            super().do_GET()
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True


@pytest.fixture
def mirror(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder of a mirror; ``MOORING_RELEASES`` names it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("MOORING_RELEASES", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(releases, "architecture", lambda: "amd64")
    yield folder
    server.shutdown()
    server.server_close()


def publish(mirror: Path, address: str, content: bytes, *, sums: str = "{address}.sha256", digest: str = "") -> Path:
    path = mirror / address
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    beside = Path(sums.format(address=path, folder=path.parent))
    beside.write_text(f"{digest or hashlib.sha256(content).hexdigest()}  {path.name}\n")
    return path


def archive(members: dict[str, bytes], link: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return packed.getvalue()


def tool(*, packages: tuple[str, ...] = ()) -> Program:
    release = Release("https://example.org/tool/v{version}/tool.tgz")
    return Program("tool", "1.2.3", ("tool",), release=release, packages=packages, build=False)


def refused(capfd: pytest.CaptureFixture[str]) -> str:
    """Gather the tool, which cannot be had in any other way, and return what was said."""
    with pytest.raises(SandboxError, match="neither on this machine nor in a package"):
        binaries.gather([tool()], Console())
    assert not tool().folder.exists() or not list(tool().folder.iterdir())
    return capfd.readouterr().err


def test_every_part_that_is_published_is_taken_from_where_its_project_publishes_it(mirror: Path, console: Console) -> None:
    for name, (address, members) in PUBLISHED.items():
        content = archive({each: f"{name} {Path(each).name}".encode() for each in members}) if members else name.encode()
        sums = "{folder}/SHA256SUMS" if name == "etcd" else "{folder}/runc.sha256sum" if name == "runc" else "{address}.sha256sum"
        publish(mirror, address, content, sums=sums)
    wanted = [binaries.kubernetes(Version.parse("1.36.3"), node=True), *(each for each in binaries.FULL if each.release), binaries.KWOK]
    found = binaries.gather(wanted, console)
    assert {program.name for program in wanted} - {"kubernetes"} == set(PUBLISHED) - set(wanted[0].executables)
    assert found["kubelet"].read_text() == "kubelet" and found["runc"].read_text() == "runc"
    assert found["ctr"].read_text() == "containerd ctr" and found["portmap"].read_text() == "cni portmap"
    assert found["docker-registry"].read_text() == "registry registry"
    for program in wanted:
        assert {path.name for path in program.folder.iterdir()} == set(program.executables)
        assert all(path.stat().st_mode & 0o111 for path in program.folder.iterdir())


def test_a_wrong_checksum_is_refused_and_both_are_named(mirror: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = archive({"tool": b"tool"})
    publish(mirror, ADDRESS, content, digest="0" * 64)
    said = refused(capfd)
    assert hashlib.sha256(content).hexdigest() in said and "0" * 64 in said


def test_a_download_that_breaks_off_is_refused(mirror: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = publish(mirror, ADDRESS, archive({"tool": bytes(range(256)) * 9}))
    path.with_name(f"{path.name}.cut").touch()
    assert "broke off after" in refused(capfd)


@pytest.mark.parametrize("name", ["../tool", "bin/../../tool", "/tmp/mooring-outside/tool"])
def test_an_archive_with_a_path_that_leads_out_is_refused(mirror: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    publish(mirror, ADDRESS, archive({"bin/other": b"", name: b"tool"}))
    assert "leads out of its folder" in refused(capfd)
    assert not Path("/tmp/mooring-outside").exists()


def test_a_link_is_not_taken_for_the_program(mirror: Path, capfd: pytest.CaptureFixture[str]) -> None:
    publish(mirror, ADDRESS, archive({"bin/other": b""}, link="bin/tool"))
    assert "tool is not in tool.tgz" in refused(capfd)


def test_what_is_no_archive_is_refused(mirror: Path, capfd: pytest.CaptureFixture[str]) -> None:
    publish(mirror, ADDRESS, b"<html>Sign in to the network</html>")
    assert "the release is not taken" in refused(capfd)


def test_without_a_checksum_nothing_is_downloaded(mirror: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = publish(mirror, ADDRESS, archive({"tool": b"tool"}))
    path.with_name("tool.tgz.sha256").write_text("Not here\n")
    said = refused(capfd)
    assert "states no sha256" in said and "downloading" not in said


def test_a_release_that_is_not_taken_leaves_the_debian_package(mirror: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, ADDRESS, archive({"tool": b"tool"}), digest="0" * 64)
    program = tool(packages=("tool-package",))

    def unpack(packages: tuple[str, ...], executables: tuple[str, ...], target: Path) -> None:
        target.mkdir(parents=True)
        for name in executables:
            (target / name).touch()

    monkeypatch.setattr(binaries.debian, "is_debian", lambda: True)
    monkeypatch.setattr(binaries.debian, "unpack", unpack)
    for _ in range(2):  # the second time it is in the cache
        assert binaries.gather([program], console)["tool"].parent.name == "tool-debian"


def test_releases_are_not_asked_for_when_they_are_off(mirror: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MOORING_RELEASES", "off")
    assert refused(capfd) == ""


class Silence:
    """An address that takes connections and never says a word, as a closed network's firewall does."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.asked: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.asked.append(self.socket.accept()[0])

    def close(self) -> None:
        self.socket.close()
        for each in self.asked:
            each.close()


def test_in_a_closed_network_each_host_is_asked_once_and_all_at_the_same_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(releases, "ANSWER_SECONDS", 0.3)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("MOORING_RELEASES", raising=False)
    hosts = [Silence(), Silence(), Silence()]
    try:
        programs = [
            Program(f"tool-{number}", "1", (f"tool-{number}",), release=Release(f"{host.address}/{number}/{{executable}}"))
            for number, host in enumerate(hosts * 4)
        ]
        built: list[Program] = []
        monkeypatch.setattr(binaries.gobuild, "build", lambda some, _: built.extend(some))
        binaries.gather(programs, Console())
        assert built == programs
        assert [len(host.asked) for host in hosts] == [1, 1, 1]
        (line,) = [line for line in capfd.readouterr().err.splitlines() if "no release downloads" in line]
        assert all(host.address.removeprefix("http://") in line for host in hosts)
    finally:
        for host in hosts:
            host.close()


def test_a_host_that_refuses_connections_is_left_alone(cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MOORING_RELEASES", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    said = refused(capfd)
    assert "no release downloads from 127.0.0.1:1" in said and "downloading" not in said
