"""Certificates of one cluster, made with the machine's openssl: one authority, one leaf a component."""

from __future__ import annotations

import base64
import ipaddress
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.places import ClusterPlace, write_text
from sandbox.shell import run

TODO = "Install openssl 1.1.1 or later and run the command again."
DAYS = "3650"
DEMO = "demo-ca"
LONGEST_NAME = 64  # of a common name
IDENTIFIERS = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"  # strict clients ask for both


@dataclass(frozen=True)
class Leaf:
    """A certificate to be signed: its file name, subject, purpose and addresses."""

    name: str
    subject: str
    names: tuple[str, ...] = ()
    authority: str = "ca"

    @property
    def extensions(self) -> str:
        usage = "serverAuth,clientAuth" if self.names else "clientAuth"
        lines = ["keyUsage=critical,digitalSignature", f"extendedKeyUsage={usage}", "basicConstraints=CA:FALSE"]
        if self.names:
            lines.append("subjectAltName=" + ",".join(self.names))
        return "\n".join(lines) + "\n"


def leaves(node: str, addresses: list[str], node_address: str) -> list[Leaf]:
    """Return every certificate of a cluster whose API server answers on ``addresses``."""
    service = ["kubernetes", "default", "svc", "cluster", "local"]
    api_names = ["DNS:localhost"] + ["DNS:" + ".".join(service[:size]) for size in (1, 2, 3, 5)]
    api_names += [f"IP:{address}" for address in addresses]
    return [
        Leaf("apiserver", "/CN=kube-apiserver", tuple(api_names)),
        Leaf("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Leaf("admin", "/O=system:masters/CN=mooring-sandbox-admin"),
        Leaf("controller-manager", "/CN=system:kube-controller-manager"),
        Leaf("scheduler", "/CN=system:kube-scheduler"),
        Leaf("proxy", "/CN=system:kube-proxy"),
        Leaf("kubelet", f"/O=system:nodes/CN=system:node:{node}", (f"DNS:{node}", f"IP:{node_address}")),
        Leaf("kwok", "/O=system:masters/CN=kwok"),
        Leaf("front-proxy", "/CN=front-proxy-client", authority="front-ca"),
        Leaf("etcd", "/CN=etcd", ("DNS:localhost", "IP:127.0.0.1"), authority="etcd-ca"),
    ]


def make(folder: Path, wanted: list[Leaf]) -> None:
    """Make what is missing of the authorities and certificates, and the key that signs service account tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for authority in ("ca", "front-ca", "etcd-ca"):
        if not (folder / f"{authority}.crt").exists():
            _authority(folder, authority)
    for leaf in wanted:
        if not (folder / f"{leaf.name}.crt").exists():
            _sign(folder, leaf)
    if not (folder / "accounts.key").exists():
        _key(folder / "accounts.key")
        run(
            ["openssl", "pkey", "-in", folder / "accounts.key", "-pubout", "-out", folder / "accounts.pub"],
            part="certificates", todo=TODO,
        )  # fmt: skip


def demo_authority(place: ClusterPlace) -> None:
    """Make the authority whose certificates are for demonstrations; the cluster itself does not trust it."""
    place.pki.mkdir(parents=True, exist_ok=True)
    place.pki.chmod(0o700)
    if not (place.pki / f"{DEMO}.crt").exists():
        _authority(place.pki, DEMO)
    if not place.authority.exists():
        write_text(place.authority, (place.pki / f"{DEMO}.crt").read_text())


def demo_certificate(place: ClusterPlace, names: list[str], folder: Path, days: int) -> tuple[Path, Path]:
    """Write a server's certificate, followed by its authority's, and its key into ``folder``; return both."""
    demo_authority(place)
    leaf = Leaf("demo", f"/CN={names[0]}" if len(names[0]) <= LONGEST_NAME else "/CN=mooring-sandbox", _alternative(names), DEMO)
    with tempfile.TemporaryDirectory() as text:
        work = Path(text)
        for kind in ("crt", "key"):
            (work / f"{DEMO}.{kind}").symlink_to(place.pki / f"{DEMO}.{kind}")
        _sign(work, leaf, days=str(days), more=IDENTIFIERS)
        certificate, key = folder / "cert.pem", folder / "key.pem"
        write_text(key, (work / "demo.key").read_text(), 0o600)
        write_text(certificate, (work / "demo.crt").read_text() + place.authority.read_text())
    return certificate, key


def _alternative(names: list[str]) -> tuple[str, ...]:
    found = []
    for name in names:
        try:
            found.append(f"IP:{ipaddress.ip_address(name)}")
        except ValueError:
            found.append(f"DNS:{name}")
    return tuple(found)


def kubeconfig(folder: Path, user: str, server: str, *, cluster: str) -> str:
    """Return a kubeconfig with everything embedded, readable as YAML and as what it is."""
    embedded = {
        key: base64.b64encode((folder / file).read_bytes()).decode()
        for key, file in (("ca", "ca.crt"), ("crt", f"{user}.crt"), ("key", f"{user}.key"))
    }
    return f"""apiVersion: v1
kind: Config
current-context: {cluster}
clusters:
- name: {cluster}
  cluster:
    server: {server}
    certificate-authority-data: {embedded["ca"]}
contexts:
- name: {cluster}
  context: {{cluster: {cluster}, user: {cluster}-{user}}}
users:
- name: {cluster}-{user}
  user:
    client-certificate-data: {embedded["crt"]}
    client-key-data: {embedded["key"]}
"""


def _key(path: Path) -> None:
    run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path],
        part="certificates", todo=TODO,
    )  # fmt: skip
    path.chmod(0o600)


def _authority(folder: Path, name: str) -> None:
    _key(folder / f"{name}.key")
    run(
        [
            "openssl", "req", "-x509", "-new", "-sha256", "-days", DAYS, "-key", folder / f"{name}.key",
            "-subj", f"/CN=mooring-sandbox-{name}", "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
            "-out", folder / f"{name}.crt",
        ],
        part="certificates", todo=TODO,
    )  # fmt: skip


def _sign(folder: Path, leaf: Leaf, *, days: str = DAYS, more: str = "") -> None:
    _key(folder / f"{leaf.name}.key")
    request, extensions = folder / f"{leaf.name}.csr", folder / f"{leaf.name}.ext"
    write_text(extensions, leaf.extensions + more)
    run(
        ["openssl", "req", "-new", "-key", folder / f"{leaf.name}.key", "-subj", leaf.subject, "-out", request],
        part="certificates", todo=TODO,
    )  # fmt: skip
    unfinished = folder / f"{leaf.name}.crt.part"
    run(
        [
            "openssl", "x509", "-req", "-sha256", "-days", days, "-in", request, "-extfile", extensions,
            "-CA", folder / f"{leaf.authority}.crt", "-CAkey", folder / f"{leaf.authority}.key",
            "-CAcreateserial", "-out", unfinished,
        ],
        part="certificates", todo=TODO,
    )  # fmt: skip
    unfinished.rename(folder / f"{leaf.name}.crt")
    request.unlink()
    extensions.unlink()
