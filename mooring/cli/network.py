"""`mooring cluster network`: the certificate of a cluster's router, the way out of its pods; for IT operations."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import NoWait, Output, Query, Yes, ask
from mooring.cli.output import print_result
from mooring.errors import MooringError

network = typer.Typer(help="A cluster's network: certificate of the router, proxy and authorities of pods.", no_args_is_help=True)

ClusterArgument = Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster.")]
_SHOWN = ("cluster", "router_name", "certificate", "names", "ends_at", "issuer", "key_type", "fingerprint", "in_the_cluster", "warnings",
          "http_proxy", "https_proxy", "no_proxy", "reached_directly", "authorities")  # fmt: skip


@network.command("show")
def show(cluster: ClusterArgument, output: Output = "table", query: Query = None) -> None:
    """Show certificate, proxy and authorities; keys and passwords are never shown."""
    with session.connect() as studio:
        _print(studio.network.get(cluster), output, query)


@network.command("certificate")
def certificate(
    cluster: ClusterArgument,
    chain: Annotated[Path | None, typer.Option(help="The chain as PEM: the server's certificate first.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key as PEM, without a passphrase; - reads it from standard input.")] = None,
    secret: Annotated[str | None, typer.Option(help="In their place: a Secret in mooring-system, followed through its renewals.")] = None,
    put_back: Annotated[bool, typer.Option("--put-back", help="Write the one kept here over what stands in the cluster.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out of the cluster, and forget it.")] = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Set or rotate the certificate of the cluster's router, and wait until it is there."""
    if [bool(chain or key), bool(secret), put_back, remove].count(True) != 1 or bool(chain) != bool(key):
        raise typer.BadParameter("give --chain and --key, or --secret, or --put-back, or --remove")
    with session.connect() as studio:
        if chain and key:
            studio.network.set_certificate(cluster, chain=_text(chain), key=_text(key))
        elif secret:
            studio.network.follow_secret(cluster, secret)
        elif put_back:
            studio.network.put_back_certificate(cluster)
        else:
            ask(f"Remove the certificate of {cluster}? Its router stops answering over TLS.", yes)
            studio.network.remove_certificate(cluster)
        answer = studio.network.get(cluster) if no_wait else studio.network.wait_for_certificate(cluster)
    _print(answer, output, query)
    status = (answer["certificate"] or {}).get("status")
    raise typer.Exit(0 if no_wait or remove or status == "ready" else 1)


@network.command("proxy")
def proxy(
    cluster: ClusterArgument,
    http: Annotated[str | None, typer.Option(metavar="URL", help="Proxy for http://; an empty text takes it away.")] = None,
    https: Annotated[str | None, typer.Option(metavar="URL", help="Proxy for https://; an empty text takes it away.")] = None,
    no_proxy: Annotated[str | None, typer.Option("--no-proxy", metavar="HOSTS", help="What is reached without it, with commas.")] = None,
    ca_bundle: Annotated[str | None, typer.Option(metavar="FILE", help="Authorities that pods trust, as PEM; an empty text: none.")] = None,
    system_ca: Annotated[bool | None, typer.Option("--system-ca/--no-system-ca", help="With those of the studio itself, or not.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take everything away: pods reach the world directly.")] = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Say how the pods of a cluster get out; what is not given stays."""
    bundle = ca_bundle if not ca_bundle else _text(Path(ca_bundle))
    given = {"http_proxy": http, "https_proxy": https, "no_proxy": no_proxy, "ca_bundle": bundle, "ca_with_system": system_ca}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if clear:
        changes = {"http_proxy": "", "https_proxy": "", "no_proxy": "", "ca_bundle": "", "ca_with_system": True} | changes
    if not changes:
        raise typer.BadParameter("give what is to change, or --clear")
    with session.connect() as studio:
        _print(studio.network.change_way_out(cluster, **changes), output, query)


@network.command("check")
def check(
    cluster: ClusterArgument,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="Addresses to try; a host alone is asked by https.")],
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Try addresses from a pod of the cluster, through its proxy; the exit status is 1 when one did not answer."""
    with session.connect() as studio:
        answer = studio.network.check(cluster, addresses, wait=not no_wait)
    _say_check(answer, output, query, waits=no_wait)


@network.command("show-check")
def show_check(
    cluster: ClusterArgument,
    id: Annotated[int, typer.Argument(help="Its number, as `mooring cluster network check --no-wait` said it.")],
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show a check that was made: what answered, and what did not; the exit status is that of `check`."""
    with session.connect() as studio:
        answer = studio.network.checked(cluster, id)
    _say_check(answer, output, query, waits=answer["status"] in ("waiting", "running"))


def _say_check(answer: Mapping[str, Any], output: str, query: str | None, *, waits: bool) -> None:
    if answer["status"] == "failed":
        raise MooringError(answer["problem"] or "egress-check-failed", "The check could not be made", answer["reason"])
    if waits:
        print_result(answer, output, ("id", "status"), query)
        return
    if output == "table" and not query:
        rows = [each | {"by": each["via"] or "directly", "answer": each["status"] or each["error"]} for each in answer["results"]]
        print_result(rows, output, ("url", "kind", "by", "ms", "answer"))
    else:
        print_result(answer, output, (), query)
    raise typer.Exit(0 if all(each["kind"] == "answered" for each in answer["results"]) else 1)


def _print(answer: Mapping[str, Any], output: str, query: str | None) -> None:
    if output != "table" or query:
        print_result(dict(answer), output, (), query)
        return
    of, way = answer["certificate"] or {}, answer["way_out"]
    authorities = [each["subject"] for each in way["ca_bundle"]]
    if authorities and way["ca_with_system"]:
        authorities.append("those of the studio's machine")
    told = {
        **{name: of.get(name) for name in ("names", "ends_at", "issuer", "key_type", "fingerprint")},
        "cluster": answer["cluster"],
        "router_name": answer["router_name"],
        "certificate": of.get("status") or "none",
        "in_the_cluster": of.get("reason") or of.get("applied_at"),
        "warnings": [each["detail"] for each in of.get("warnings") or ()],
        **{name: way[name] for name in ("http_proxy", "https_proxy", "no_proxy", "reached_directly")},
        "authorities": authorities,
    }
    print_result({name: told[name] for name in _SHOWN if told[name]}, output, _SHOWN)


def _text(place: Path) -> str:
    try:
        return sys.stdin.read() if str(place) == "-" else place.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MooringError("file-unreadable", "The file cannot be read", f"{place}: {error}.", "Correct the path.") from error
