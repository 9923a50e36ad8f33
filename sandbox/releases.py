"""Fetch programs that their projects publish: the checksum first, nothing unpacked but what is wanted, no wait for who does not answer.

``MOORING_RELEASES`` names a mirror (each address follows it, host first: ``<mirror>/dl.k8s.io/v1.36.3/…``), or is ``off``.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sandbox.console import Console
from sandbox.oci import architecture

ANSWER_SECONDS = 4.0  # for a connection, and for each part of an answer that is small
LOOK_SECONDS = 5.0  # for all hosts together: name servers may take longer than a connection
STALL_SECONDS = 20.0  # without a byte in the middle of a download
LOST_SECONDS = 15.0  # for all that came to nothing in one command
SUMS = ("{address}.sha256", "{address}.sha256sum", "{folder}/SHA256SUMS")
ARCHIVES = (".tar.gz", ".tgz")

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Refused(Exception):
    """What a publisher gave is not what it should be; the message says what is wrong with it."""


@dataclass(frozen=True)
class Release:
    """Where a project publishes its programs: addresses with ``{version}``, ``{arch}`` and ``{executable}`` to be filled in."""

    address: str
    sums: tuple[str, ...] = SUMS
    # Executables that have another name in the archive.
    called: tuple[tuple[str, str], ...] = ()

    @property
    def is_archive(self) -> bool:
        return self.address.endswith(ARCHIVES)

    def addresses(self, version: str, executables: Iterable[str]) -> dict[str, list[str]]:
        """Return each address with the executables that come from it."""
        found: dict[str, list[str]] = {}
        for name in executables:
            address = self.address.format(version=version, arch=architecture(), executable=name)
            found.setdefault(_mirrored(address), []).append(name)
        return found


class Releases:
    """The downloads of one command; which hosts do not answer is found out once."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._silent: set[str] = set()
        self._lost = 0.0

    def look(self, releases: Iterable[Release]) -> None:
        """Ask all hosts at the same time whether they can be reached from here; say which cannot."""
        hosts = sorted({_host(_mirrored(release.address)) for release in releases})
        if not hosts or is_off():
            return
        began, answering = time.monotonic(), set[str]()
        threads = [threading.Thread(target=_ask, args=(host, answering), daemon=True) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, began + LOOK_SECONDS - time.monotonic()))
        self._silent = set(hosts) - answering
        if self._silent:
            silent = ", ".join(host.partition("//")[2] for host in sorted(self._silent))
            self.console.say(f"no release downloads from {silent}: not reached from here ({time.monotonic() - began:.0f} s)")

    def fetch(self, release: Release, version: str, executables: Iterable[str], folder: Path, step: str) -> bool:
        """Put executables of a release into ``folder``; False, with the reason said, when it cannot be had."""
        began = time.monotonic()
        for address, names in release.addresses(version, executables).items():
            if is_off() or _host(address) in self._silent or self._lost > LOST_SECONDS:
                return False
            try:
                self._fetch(release, address, names, folder, step)
            except (Refused, tarfile.TarError, EOFError) as error:
                self.console.say(f"{step}: the release is not taken: {error}")
            except urllib.error.HTTPError as error:
                self.console.say(f"{step}: no release download ({address}: {error.code} {error.reason})")
            except (OSError, http.client.HTTPException) as error:
                self._silent.add(_host(address))
                self.console.say(f"{step}: no release download ({address}: {getattr(error, 'reason', error) or type(error).__name__})")
            else:
                continue
            self._lost += time.monotonic() - began
            return False
        return True

    def _fetch(self, release: Release, address: str, names: list[str], folder: Path, step: str) -> None:
        # The small checksum goes first: it tells within seconds whether the release is there at all.
        expected = _expected_digest(release, address)
        with self.console.working(f"downloading {step}: {address}"):
            target = folder / f"{PurePosixPath(address).name}.part"
            found = _download(address, target)
        if found != expected:
            raise Refused(f"{address} has the sha256 {found}, its publisher names {expected}.")
        if not release.is_archive:
            target.replace(folder / names[0])
            return
        _unpack(target, {dict(release.called).get(name, name): name for name in names}, folder)
        target.unlink()


def is_off() -> bool:
    """Tell whether nobody is to be asked for releases."""
    return os.environ.get("MOORING_RELEASES", "").strip().lower() == "off"


def _mirrored(address: str) -> str:
    mirror = os.environ.get("MOORING_RELEASES", "").strip().rstrip("/")
    return f"{mirror}/{address.partition('//')[2]}" if mirror and not is_off() else address


def _host(address: str) -> str:
    scheme, _, rest = address.partition("//")
    return f"{scheme}//{rest.partition('/')[0]}"


def _ask(host: str, answering: set[str]) -> None:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{host}/", method="HEAD"), timeout=ANSWER_SECONDS):
            answering.add(host)
    except urllib.error.HTTPError:
        answering.add(host)
    except (OSError, http.client.HTTPException, ValueError):
        return


def _download(address: str, target: Path) -> str:
    """Write an answer to a file; return its sha256."""
    digest, size = hashlib.sha256(), 0
    with urllib.request.urlopen(address, timeout=STALL_SECONDS) as answer, target.open("wb") as file:
        announced = answer.headers.get("Content-Length")
        while block := answer.read(1 << 20):
            digest.update(block)
            file.write(block)
            size += len(block)
    if announced and size != int(announced):
        raise Refused(f"{address} broke off after {size} of {announced} bytes.")
    return digest.hexdigest()


def _expected_digest(release: Release, address: str) -> str:
    """Return the sha256 that the publisher states beside a download."""
    folder, name = address.rsplit("/", 1)
    for template in release.sums:
        try:
            beside = template.format(address=address, folder=folder)
            with urllib.request.urlopen(beside, timeout=ANSWER_SECONDS) as answer:
                text: str = answer.read(65536).decode(errors="replace")
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 429) or error.code >= 500:
                raise
            continue
        for line in text.splitlines():
            words = line.split()
            alone = len(words) == 1 or (len(words) == 2 and PurePosixPath(words[1].lstrip("*")).name == name)
            if alone and _SHA256.fullmatch(words[0]):
                return words[0].lower()
    raise Refused(f"its publisher states no sha256 beside {address}.")


def _unpack(path: Path, wanted: dict[str, str], folder: Path) -> None:
    """Write the wanted files of an archive into one folder, under our names; no path of the archive is ever used.

    An archive with a path that leads out of its folder is refused whole: nobody who means well makes one.
    """
    with tarfile.open(path) as archive:
        for member in archive:
            inside = PurePosixPath(member.name)
            if inside.is_absolute() or ".." in inside.parts:
                raise Refused(f"{path.name.removesuffix('.part')} has a path that leads out of its folder: {member.name}")
            name = wanted.get(inside.name)
            content = archive.extractfile(member) if name and member.isfile() else None
            if name and content:
                with content, (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
    lacking = [name for name, ours in wanted.items() if not (folder / ours).is_file()]
    if lacking:
        raise Refused(f"{', '.join(lacking)} is not in {path.name.removesuffix('.part')}.")
