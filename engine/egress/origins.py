"""Lists of hosts that something may be sent to: `api.example.com`, `*.example.com:8443`."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

PORTS = {"https": 443, "http": 80}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_ENTRY = re.compile(r"(?:(https?)://)?(\*\.)?(\[[0-9a-f:.]+\]|[^\s\[\]:/?#@*\\%]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Origin:
    """One entry: an exact host, or with `wildcard` all names below it, but not the name itself."""

    scheme: str
    host: str
    port: int
    wildcard: bool = False

    @classmethod
    def parse(cls, entry: str) -> "Origin":
        """HTTPS on its own port, unless the entry says otherwise. Raises ValueError saying what is wrong."""
        found = _ENTRY.fullmatch(entry.strip().lower())
        if found is None:
            raise ValueError("is a host like api.example.com or *.example.com, without a path")
        scheme, wildcard, host, port = found.groups()
        scheme = scheme or "https"
        name = _canonical(host)
        if wildcard and (_is_address(name) or "." not in name):
            raise ValueError("a * stands before a domain of at least two parts, like *.example.com")
        number = int(port) if port else PORTS[scheme]
        if not 0 < number < 65536:
            raise ValueError("the port is a number from 1 to 65535")
        return cls(scheme, name, number, bool(wildcard))

    def allows(self, url: "httpx.URL") -> bool:
        return self.scheme == url.scheme and self.port == port_of(url) and self.names(url)

    def names(self, url: "httpx.URL") -> bool:
        """Whether the host is the one, whatever scheme and port are."""
        return self._is(host_of(url))

    def covers(self, host: str) -> bool:
        """The same for a bare name or address; what is no host is not the one."""
        try:
            return self._is(_canonical(f"[{host}]" if ":" in host else host))
        except ValueError:
            return False

    def _is(self, host: str) -> bool:
        return host.endswith(f".{self.host}") if self.wildcard else host == self.host

    def __str__(self) -> str:
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http://' if self.scheme == 'http' else ''}{'*.' if self.wildcard else ''}{host}{port}"


def origins(entries: Iterable[str]) -> tuple[Origin, ...]:
    return tuple(Origin.parse(entry) for entry in entries)


def host_of(url: "httpx.URL") -> str:
    """As it is resolved: lower case, in ASCII, without the dot at the end."""
    return url.raw_host.decode("ascii").strip("[]").lower().rstrip(".")


def port_of(url: "httpx.URL") -> int | None:
    return url.port or PORTS.get(url.scheme)


def _canonical(host: str) -> str:
    import httpx

    try:
        name = host_of(httpx.URL(f"https://{host}/"))
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError("is not the name of a host") from error
    if not _is_address(name) and not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("is not the name of a host")
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
