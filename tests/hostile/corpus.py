"""Write the kept corpus anew: `python -m tests.hostile.corpus`.

A file is `READER/EXPECTED.WHAT`: the problem with which its reader refuses it, or `taken`.
"""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "corpus"
JOB = "command: python train.py --lr ${{inputs.lr}}\nenvironment: {image: 'python:3.12'}\ninputs: {lr: 0.1}\n"
ENDPOINT = "name: my-endpoint\ncompute: azureml:local\nauth_mode: key\n"
DEPLOYMENT = (
    "name: blue\nendpoint_name: my-endpoint\nmodel: azureml:flowers:1\nenvironment: {image: 'python:3.12'}\n"
    "code_configuration: {code: src, scoring_script: score.py}\ninstance_count: 1\n"
)
KUBECONFIG = (
    "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'SERVER'}}]\n"
    "users: [{name: u, user: USER}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
)
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
NAMES = {
    "archive-path-outside.climbing": "../../etc/passwd",
    "archive-path-outside.absolute": "/etc/passwd",
    "archive-path-outside.drive": "C:\\windows",
    "archive-name-not-usable.right-to-left": "invoice\u202efdp.exe",
    "archive-name-not-usable.escape": "a\x1b]0;title\x07",
    "archive-name-not-usable.lines": "a\u2028b",
    "archive-name-not-usable.half-a-pair": "a\ud800b",
    "archive-name-not-usable.long": "x" * 300,
    "archive-name-clash.zero-width": "a\u200bb.py\nab.py",
    "archive-name-clash.case": "Straße.py\nSTRASSE.py",
    "archive-name-clash.accents": "caf\u00e9\ncafe\u0301",
    "archive-name-clash.turned-i": "\u0130.py\ni\u0307.py",
    "taken.any-script": "größe/日本/ملف.py",
}


def files(*, bombs: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield the path of each file below the folder, and its content."""
    yield "job/taken.small.yml", JOB.encode()
    yield "job/spec-too-many-values.laughs.yml", LAUGHS.encode()
    yield "job/spec-too-deep.lists.yml", b"a: " + b"[" * 400 + b"]" * 400
    yield "job/spec-tag-not-allowed.python.yml", b"command: !!python/object/apply:os.system [id]\n"
    yield "job/spec-duplicate-key.twice.yml", b"command: a\ncommand: b\n"
    yield "job/spec-several-documents.two.yml", JOB.encode() + b"---\n" + JOB.encode()
    yield "job/spec-not-yaml.latin.yml", b"command: gr\xf6\xdfe\n"
    yield "job/spec-not-a-mapping.list.yml", b"- a\n- b\n"
    yield "job/spec-empty.nothing.yml", b""
    yield "job/spec-not-yaml.base-sixty.yml", JOB.replace("0.1", "1" + ":1" * 9000).encode()
    yield "job/spec-not-yaml.long-number.yml", JOB.replace("0.1", "0x" + "f" * 4000).encode()
    yield "endpoint/taken.small.yml", ENDPOINT.encode()
    yield "endpoint/spec-too-many-values.laughs.yml", LAUGHS.encode()
    yield "endpoint/spec-name-not-usable.path.yml", b"name: ../../evil\ncompute: azureml:local\n"
    yield "deployment/taken.small.yml", DEPLOYMENT.encode()
    yield "deployment/spec-tag-not-allowed.python.yml", b"name: !!python/name:os.system x\nendpoint_name: e\n"
    for what, text in NAMES.items():
        yield f"name/{what}.txt", text.encode("utf-8", "surrogatepass")
    for what, server, user in (
        ("taken.token", "https://10.0.0.1:6443", "{token: abc}"),
        ("kubeconfig-exec-plugin.runs", "https://10.0.0.1:6443", "{exec: {command: /bin/sh, args: [-c, id]}}"),
        ("kubeconfig-file-path.reads", "https://10.0.0.1:6443", "{tokenFile: /etc/shadow}"),
        ("kubeconfig-impersonation.as", "https://10.0.0.1:6443", "{token: abc, as: system:admin}"),
        ("kubeconfig-bad-token.splits", "https://10.0.0.1:6443", '{token: "a\\r\\nX-Remote-User: admin"}'),
        ("kube-address-refused.metadata", "https://169.254.169.254", "{token: abc}"),
        ("kube-address-refused.decimal", "https://2852039166", "{token: abc}"),
        ("kubeconfig-bad-server-url.file", "file:///etc/passwd", "{token: abc}"),
    ):
        yield f"kubeconfig/{what}.yml", KUBECONFIG.replace("SERVER", server).replace("USER", user).encode()
    yield "kubeconfig/kubeconfig-aliases.laughs.yml", LAUGHS.encode()
    yield "kubeconfig/kubeconfig-not-yaml.base-sixty.yml", KUBECONFIG.replace("name: c", "name: 1" + ":1" * 9000, 1).encode()
    yield "kubeconfig/kubeconfig-not-yaml.long-number.yml", KUBECONFIG.replace("current-context: c", "current-context: 0x" + "f" * 4000).encode()
    yield from (("archive/" + name, content) for name, content in archives(bombs))


def archives(bombs: bool) -> Iterator[tuple[str, bytes]]:
    """Yield hostile archives, all small; those that unpack to much take a second each to make."""
    yield "taken.small.zip", zipped({"a/b.py": b"print(1)\n", "c": b"x" * 300})
    yield "taken.small.tar", tarred(("a/b.py", b"print(1)\n", {}))
    yield "archive-path-outside.slip.zip", zipped({"../../evil.py": b"x"})
    yield "archive-link-outside.passwd.tar", tarred(("l", None, {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}))
    yield "archive-special-file.device.tar", tarred(("null", None, {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}))
    yield "archive-special-file.pipe.zip", special(stat.S_IFIFO)
    yield "archive-name-clash.case.zip", zipped({"A.py": b"1", "a.py": b"2"})
    yield "archive-name-not-usable.right-to-left.zip", zipped({"a\u202efdp.exe": b"x"})
    yield "archive-link-unusable.circle.tar", tarred(*((one, None, {"type": tarfile.SYMTYPE, "linkname": other}) for one, other in ("ab", "ba")))
    if bombs:
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr(zipfile.ZipInfo("zeros"), bytes(72 * 1024 * 1024), zipfile.ZIP_DEFLATED)
        yield "archive-bomb.zeros.zip", bomb.getvalue()
    shared = bytearray(zipped({"aaaa": b"x" * 50, "bbbb": b"x" * 50}, zipfile.ZIP_STORED))
    second = shared.find(b"PK\x01\x02", shared.find(b"PK\x01\x02") + 1)
    struct.pack_into("<L", shared, second + 42, 0)
    yield "archive-bomb.overlapping.zip", bytes(shared)


def zipped(content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, text in content.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


def special(kind: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("special")
        entry.external_attr = (kind | 0o644) << 16
        archive.writestr(entry, b"")
    return packed.getvalue()


def tarred(*entries: tuple[str, bytes | None, dict[str, Any]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content, more in entries:
            entry = tarfile.TarInfo(name)
            for key, value in more.items():
                setattr(entry, key, value)
            entry.size = len(content or b"")
            archive.addfile(entry, io.BytesIO(content or b""))
    return packed.getvalue()


def main() -> None:
    """Write every file; what is no longer made stays until it is taken away by hand."""
    for name, content in files():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
