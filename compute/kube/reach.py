"""Where this studio connects for a cluster: to its API server, a proxy in between, its router.

Whoever gives a kubeconfig, or runs the cluster behind it, chooses addresses that the studio then calls from its own
place in the network. So an address is checked where the connection is made, after its name was looked up: a name that
leads elsewhere the second time gains nothing. Knows nothing of Django.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Where machines of clouds are told their own credentials, besides the link-local addresses.
METADATA = tuple(
    ipaddress.ip_network(each) for each in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
# Addresses of IPv6 that stand for one of IPv4, which a gateway would call (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class OutOfReach(OSError):
    """Say that an address is none that may be called; the libraries pass it on as any error of the network."""


@dataclass(frozen=True)
class Reach:
    """Networks in which clusters may be (all, where none are named) and those in which they may not.

    Link-local, multicast and unspecified addresses and those of METADATA are never called. `limited` is off for what
    the studio's own machine names: a proxy of its environment, the cluster that it runs in.
    """

    allowed: tuple[Network, ...] = ()
    refused: tuple[Network, ...] = ()
    limited: bool = True

    def permits(self, address: Address) -> bool:
        """Tell whether an address may be called."""
        if not self.limited:
            return True
        address = _meant(address)
        if address.is_link_local or address.is_multicast or address.is_unspecified or _in(address, METADATA):
            return False
        return not _in(address, self.refused) and (not self.allowed or _in(address, self.allowed))

    def permits_host(self, host: str) -> bool:
        """Tell whether a host may be called as far as its text alone says: a name may."""
        address = written_address(host)
        return address is None or self.permits(address)

    def places(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be called, in the system's order; raises OutOfReach when none may."""
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        places = [str(each[4][0]) for each in found]
        allowed = [place for place in dict.fromkeys(places) if self.permits_place(place)]
        if not allowed:
            raise out_of_reach(host)
        return allowed

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Return a connection to the first address of a host that may be called and answers."""
        *others, last = self.places(host, port)
        for place in others:
            with contextlib.suppress(OSError):
                return socket.create_connection((place, port), timeout)
        return socket.create_connection((last, port), timeout)

    def permits_place(self, place: str) -> bool:
        """Tell whether a socket's address, as the system writes it, may be called."""
        return self.permits(ipaddress.ip_address(place.partition("%")[0]))


EVERYWHERE = Reach()
UNLIMITED = Reach(limited=False)


def reach_in(text: str) -> Reach:
    """Read networks separated by commas, one with `!` before it left out; raises ValueError that names the wrong one."""
    words = [word.strip() for word in text.replace("\n", ",").split(",") if word.strip()]
    refused = [word.removeprefix("!").strip() for word in words if word.startswith("!")]
    return Reach(_networks(word for word in words if not word.startswith("!")), _networks(refused))


def written_address(host: str) -> Address | None:
    """Return the address that a host's text stands for, also in the spellings of old (`2852039166`, `0xA9.254.1`), or None."""
    text = host.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text.rstrip(".")))
    except (OSError, ValueError):
        return None


def out_of_reach(host: str) -> OutOfReach:
    """Return the error for a host that may not be called; it says nothing of what its name stands for."""
    return OutOfReach(f"{host} leads to an address at which this studio calls no cluster.")


def _networks(words: Iterable[str]) -> tuple[Network, ...]:
    found: list[Network] = []
    for word in words:
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError as error:
            raise ValueError(f"networks such as 10.0.0.0/8 or !127.0.0.0/8, separated by commas: {error}") from error
    return tuple(found)


def _meant(address: Address) -> Address:
    """Return the address of IPv4 that one of IPv6 only wraps."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if wrapped is None and address in _TRANSLATED:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return wrapped or address
    return address


def _in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
