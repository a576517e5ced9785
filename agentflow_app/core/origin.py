"""From where a request comes: the address and the browser, for the audit trail and for rate limits."""

import ipaddress
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlsplit

from agentflow_app.core.settings import settings

MAX_USER_AGENT = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """`address` is an IP address, None where there is none (a worker, the command line)."""

    address: str | None = None
    user_agent: str | None = None


origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  # frozen


def origin_of(peer: str | None, headers: Mapping[str, str], trusted: Sequence[str]) -> Origin:
    """`headers` with lower-case names; `trusted` are the proxies whose X-Forwarded-For is believed.

    The header is read from its right end, where our own proxies write: what a client put in front is ignored.
    """
    networks = [ipaddress.ip_network(each, strict=False) for each in trusted]
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    current = _address(peer)
    while current and hops and any(current in network for network in networks):
        current = _address(hops.pop())
    agent = headers.get("user-agent", "")[:MAX_USER_AGENT]
    printable = "".join(each for each in agent if each.isprintable())
    return Origin(str(current) if current else None, printable or None)


def is_foreign(page: str | None, host: str) -> bool:
    """Whether the page that sends this request is somebody else's. Programs send no Origin, browsers do.

    `page` is the Origin header, `host` the Host header. Where the public address is known it is exactly that,
    and otherwise whatever name this server was reached by.
    """
    if page is None or page in settings().origins:
        return False
    try:
        named = urlsplit(page).netloc
    except ValueError:  # no browser says so
        return True
    return settings().public_url is not None or named != host


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
