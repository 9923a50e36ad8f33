"""The command line: ``python -m sandbox up|down|status|kubeconfig|images|certificate|studios|sweep``."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from sandbox import cluster, pki, studios, versions
from sandbox.cluster import Record, Wish
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.images import archive
from sandbox.layout import FullLayout
from sandbox.places import ClusterPlace
from sandbox.simulated import SimulatedNodes
from sandbox.status import status

SETTLE_SECONDS = 60
CERTIFICATE_DAYS = 90
DEFAULT_NAME = os.environ.get("MOORING_SANDBOX") or "main"
HOST_NAME = re.compile(r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")


def main(argv: list[str] | None = None) -> int:
    """Run one command; return 0 when it worked, 1 when a part of the sandbox failed, 3 when the cluster is not up."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.run(options, Console(quiet=options.quiet))
        return code
    except SandboxError as error:
        if options.json:
            print(json.dumps(error.as_dict()))
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has seen enough ("… | head"): what was asked for is done. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; run the command again to go on where it stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A real Kubernetes on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default=DEFAULT_NAME, type=_name, help="which cluster (default: main, or MOORING_SANDBOX)")
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--quiet", action="store_true", help="print no progress")
    up = commands.add_parser("up", parents=[common], help="bring the cluster up, or heal it")
    up.set_defaults(run=_up)
    up.add_argument("--version", help=f"of Kubernetes, as 1.36.3 (default: {versions.DEFAULT_KUBERNETES})")
    up.add_argument("--simulated", "--size", type=_count, metavar="N", help="N simulated nodes in which no container runs")
    up.add_argument("--gpu-nodes", type=_count, default=0, metavar="N", help="so many of them with GPUs")
    up.add_argument("--gpus-each", type=_count, default=4, metavar="N", help="GPUs of a node that has them")
    up.add_argument("--node-label", type=_pairs, action="append", default=[], metavar="K=V")
    up.add_argument("--node-capacity", type=_pairs, default={}, metavar="cpu=16,memory=64Gi")
    size = "rotate a container's log at this size (default: the kubelet's, 10Mi); a cluster that is up takes it when it is started again"
    up.add_argument("--container-log-max-size", type=_size, metavar="1Mi", help=size)
    up.add_argument("--kubeconfig", default=os.environ.get("KUBECONFIG"), help="use this cluster instead")
    down = commands.add_parser("down", parents=[common], help="stop the cluster; it keeps what it had")
    down.set_defaults(run=_down)
    down.add_argument("--purge", action="store_true", help="remove what it had, too")
    down.add_argument("--all", action="store_true", help="every cluster of this machine")
    commands.add_parser("status", parents=[common], help="tell how it is").set_defaults(run=_status)
    commands.add_parser("kubeconfig", parents=[common], help="print the kubeconfig's path").set_defaults(run=_kubeconfig)
    images = commands.add_parser("images", parents=[common], help="make or list the images")
    images.set_defaults(run=_images)
    images.add_argument("--studio", action="store_true", help="also those of a studio in a cluster (deploy/images)")
    images.add_argument("--export", type=Path, metavar="FOLDER", help="write each as an OCI archive for closed networks")
    _add_certificate(commands)
    listed = "list the studios that were attached to the cluster, and whether their data folders are still there"
    commands.add_parser("studios", parents=[common], help=listed).set_defaults(run=_studios)
    text = "remove from the cluster what studios have left whose data folder is gone"
    commands.add_parser("sweep", parents=[common], help=text).set_defaults(run=_sweep)
    return parser


def _add_certificate(commands: Any) -> None:
    text = "make a server's certificate, signed by an authority of the sandbox's own (ca.pem in the cluster's folder)"
    certificate = commands.add_parser("certificate", help=text)
    certificate.set_defaults(run=_certificate)
    certificate.add_argument("--name", dest="names", type=_host_names, required=True, metavar="NAME[,NAME…]", help="names or addresses")
    certificate.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where cert.pem and key.pem go")
    certificate.add_argument("--days", type=_days, default=CERTIFICATE_DAYS, metavar="N", help=f"valid for (default: {CERTIFICATE_DAYS})")
    certificate.add_argument("--cluster", dest="name", default=DEFAULT_NAME, type=_name, help="whose authority (default: main)")
    certificate.add_argument("--json", action="store_true", help="print one JSON object")
    certificate.add_argument("--quiet", action="store_true", help="print nothing")


def _up(options: argparse.Namespace, console: Console) -> int:
    labels = {key: value for pairs in options.node_label for key, value in pairs.items()}
    nodes = None
    if options.simulated is not None:
        nodes = SimulatedNodes(options.simulated, options.gpu_nodes, options.gpus_each, labels, options.node_capacity)
    elif options.gpu_nodes or labels or options.node_capacity:
        raise SandboxError("nodes", "only simulated nodes have labels and sizes of one's choice.", "Add --simulated N.")
    cluster.up(Wish(options.name, options.version, nodes, options.kubeconfig, options.container_log_max_size or ""), console)
    found = _settled(options.name)
    _print(found, options.json)
    return 0 if found["state"] in ("up", "given") else 3


def _settled(name: str) -> dict[str, Any]:
    """Return the status once it is up, or what it is after a minute.

    After a restart the pods of before count as ready until the node has looked at them, and then not for a moment.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = status(name)
        if found["state"] in ("up", "given") or time.monotonic() > deadline:
            return found
        time.sleep(1)


def _down(options: argparse.Namespace, console: Console) -> int:
    names = cluster.names() if options.all else [options.name]
    for name in names:
        cluster.down(name, console, purge=options.purge)
    if options.json:
        print(json.dumps({"down": names, "purged": options.purge}))
    return 0


def _status(options: argparse.Namespace, console: Console) -> int:
    found = status(options.name)
    _print(found, options.json)
    return 0 if found["state"] in ("up", "given") else 3


def _kubeconfig(options: argparse.Namespace, console: Console) -> int:
    record = Record.load(ClusterPlace.of(options.name))
    if record is None:
        raise SandboxError("cluster", f"there is no cluster “{options.name}”.", "Run “python -m sandbox up” first.")
    path = record.given or str(ClusterPlace.of(options.name).kubeconfig)
    print(json.dumps({"kubeconfig": path}) if options.json else path)
    return 0


def _images(options: argparse.Namespace, console: Console) -> int:
    record = Record.load(ClusterPlace.of(options.name))
    if record is None or record.mode != "full":
        raise SandboxError("images", f"“{options.name}” is no full node, and images are made beside one.", "Run “up” as root first.")
    images = cluster.make_images(record, ClusterPlace.of(options.name), console)
    if options.studio:
        images |= cluster.make_studio_images(record, console)
    if options.export:
        layout = record.layout
        assert isinstance(layout, FullLayout)
        archive.export(layout.registry, images, options.export, console)
    if options.json:
        print(json.dumps({"images": images}))
    else:
        for name, reference in images.items():
            print(f"{name:12} {reference}")
    return 0


def _certificate(options: argparse.Namespace, console: Console) -> int:
    place = ClusterPlace.of(options.name)
    if Record.load(place) is None:
        raise SandboxError("cluster", f"there is no cluster “{options.name}”.", "Run “python -m sandbox up” first.")
    certificate, key = pki.demo_certificate(place, options.names, options.out, options.days)
    made = {"certificate": str(certificate), "key": str(key), "certificate_authority": str(place.authority)}
    if options.json:
        print(json.dumps(made))
    elif not options.quiet:
        for name, path in made.items():
            print(f"{name.replace('_', ' '):22} {path}")
    return 0


def _studios(options: argparse.Namespace, console: Console) -> int:
    found = [{"identity": one.identity, "data": str(one.data), "gone": one.is_gone} for one in studios.known(options.name)]
    if options.json:
        print(json.dumps({"studios": found}))
        return 0
    for one in found:
        print(f"{one['identity']:18} {'gone ' if one['gone'] else 'there'} {one['data']}")
    if not found:
        print(f"the cluster “{options.name}” knows of no studio")
    return 0


def _sweep(options: argparse.Namespace, console: Console) -> int:
    removed = studios.sweep(options.name, studios.gone(options.name), console)
    if options.json:
        print(json.dumps({"removed": removed}))
    elif not removed:
        print("nothing to remove: the data folder of every studio that the cluster knows is there")
    return 0


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))
        return
    kind = "SIMULATED: no container runs here" if found["simulated"] else found["mode"]
    print(f"{found['name']}: {found['state']} ({kind})")
    for key in (
        "version",
        "server",
        "kubeconfig",
        "host_address",
        "storage_class",
        "network_policy",
        "logs",
        "certificate_authority",
        "problem",
    ):
        if found.get(key):
            print(f"  {key.replace('_', ' '):16} {found[key]}")
    nodes = found.get("nodes") or []
    ready = sum(1 for node in nodes if node["ready"])
    if nodes:
        print(f"  {'nodes':16} {ready} of {len(nodes)} ready")
    for name, one in (found.get("components") or {}).items():
        print(f"  {name:24} {one['health']:8} process {one['pid'] or '–'}, restarted {one['restarts']} times")
    for name, reference in (found.get("images") or {}).items():
        print(f"  image {name:10} {reference}")
    for name, path in (found.get("programs") or {}).items():
        print(f"  program {name:8} {path}")
    extension = found.get("extension") or {}
    if extension.get("charts"):
        print(f"  {'extension charts':16} {extension['charts']}")
    for reference in (extension.get("images") or {}).values():
        print(f"  {'extension image':16} {reference}")


def _name(text: str) -> str:
    if not text or len(text) > 30 or not all(c.isascii() and (c.isalnum() or c == "-") for c in text) or text != text.lower():
        raise argparse.ArgumentTypeError("a name has small letters, digits and hyphens, 30 at most")
    return text


def _host_names(text: str) -> list[str]:
    found = [part.strip().lower() for part in text.split(",")]
    for name in found:
        if not HOST_NAME.match(name) and not _is_address(name):
            raise argparse.ArgumentTypeError(f"“{name}” is neither a name nor an address")
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _days(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 3650:
        raise argparse.ArgumentTypeError("give a number of days between 1 and 3650")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > 5000:
        raise argparse.ArgumentTypeError("give a number between 0 and 5000")
    return int(text)


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,5}[KMG]i", text):
        raise argparse.ArgumentTypeError("give a size like 1Mi")
    return text


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise argparse.ArgumentTypeError(f"“{part}” is not of the form key=value")
        found[key.strip()] = value.strip()
    return found
