"""Which addresses agents may reach."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from engine.errors import EgressRefusedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Written out, since what `ipaddress` calls global differs between versions of Python and misses several.
REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and 100.100.100.200, a cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's wire server, although the address is public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback and v4-compatible
        "::ffff:0:0/96",  # v4-mapped
        "::ffff:0:0:0/96",
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)

Resolve = Callable[[str, int], Awaitable[list[str]]]


def is_refused(address: Address) -> bool:
    """Whether an address is private, loopback, link-local or otherwise not the public internet's."""
    return any(address.version == network.version and address in network for network in REFUSED)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The exceptions: names, addresses or networks, each with or without a port.

    `model.local`, `10.0.0.5:8080`, `192.168.0.0/16`, `[::1]:11434`.
    """

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AllowedHosts":
        names: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for entry in entries:
            host, port = _split_port(entry.strip().lower())
            if not host:
                continue
            try:
                networks.append((ipaddress.ip_network(host, strict=False), port))
            except ValueError:
                names.add((host.rstrip("."), port))
        return cls(frozenset(names), tuple(networks))

    def allow(self, host: str, address: Address, port: int) -> bool:
        name = host.lower().rstrip(".")
        if (name, None) in self.names or (name, port) in self.names:
            return True
        return any(
            address.version == network.version and address in network and wanted in (None, port)
            for network, wanted in self.networks
        )


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, int(rest[1:]) if rest.startswith(":") else None
    host, colon, port = entry.rpartition(":")
    if colon and ":" not in host and port.isdigit():
        return host, int(port)
    return entry, None


async def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a name, in the order in which they should be tried."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Policy:
    """Which addresses may be connected to."""

    def __init__(self, allowed_hosts: Iterable[str] = (), *, resolve: Resolve = resolve_host) -> None:
        self._allowed = AllowedHosts.parse(allowed_hosts)
        self._resolve = resolve

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses to connect to; raises EgressRefusedError if the name stands for any refused one."""
        host = host.strip("[]")
        try:
            literal = [str(ipaddress.ip_address(host.partition("%")[0]))]
        except ValueError:
            literal = []
        found = literal or await self._resolve(host, port)
        for text in found:
            address = ipaddress.ip_address(text.partition("%")[0])
            if is_refused(address) and not self._allowed.allow(host, address, port):
                raise EgressRefusedError(
                    f"{host} is a private or reserved address, which agents may not reach",
                    details={"host": host, "port": port},
                )
        return list(found)
