"""What a run may use of its organization's secrets, and how a credential reaches only its own hosts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.egress.origins import Origin, host_of, port_of
from engine.errors import CredentialRefusedError, MissingSecretError
from engine.mail import MailServer
from engine.masking import Masker

if TYPE_CHECKING:
    import httpx

    from engine.ports import Secrets


@dataclass(frozen=True, slots=True)
class Credential:
    """Ready to be sent: `headers` and `query` are added to a request to one of `hosts`, and to no other.

    `hidden`: every value in it, to be masked.
    """

    name: str
    hosts: tuple[Origin, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    def allows(self, url: "httpx.URL") -> bool:
        return any(origin.allows(url) for origin in self.hosts)


class NoSecrets:
    """Where there are none."""

    async def reveal(self, names: Collection[str]) -> Mapping[str, str]:
        raise MissingSecretError(f"There is no secret {min(names)}")

    async def credential(self, reference: str) -> Credential:
        raise MissingSecretError(f"There is no credential {reference!r}")

    async def mail_server(self, reference: str | None) -> MailServer:
        raise MissingSecretError("There is no mail server here; name a credential that has one")

    async def used(self) -> Sequence[str]:
        return ()


class GivenSecrets:
    """Secrets, credentials and mail servers by name, in memory; the first mail server is the default."""

    def __init__(
        self,
        secrets: Mapping[str, str],
        credentials: Collection[Credential] = (),
        mail_servers: Collection[MailServer] = (),
    ) -> None:
        self._secrets = dict(secrets)
        self._mail_servers = {server.name: server for server in mail_servers}
        self._credentials = {credential.name: credential for credential in credentials}
        self._used: dict[str, None] = {}

    async def reveal(self, names: Collection[str]) -> Mapping[str, str]:
        for name in sorted(names):
            if name not in self._secrets:
                raise MissingSecretError(f"There is no secret {name}")
        found = {name: self._secrets[name] for name in names}
        self._used |= dict.fromkeys(found.values())
        return found

    async def credential(self, reference: str) -> Credential:
        if reference not in self._credentials:
            raise MissingSecretError(f"There is no credential {reference!r}")
        found = self._credentials[reference]
        self._used |= dict.fromkeys(found.hidden)
        return found

    async def mail_server(self, reference: str | None) -> MailServer:
        found = self._mail_servers.get(reference or next(iter(self._mail_servers), ""))
        if found is None:
            raise MissingSecretError(f"There is no mail server {reference!r}")
        self._used |= dict.fromkeys([found.password] if found.password else [])
        return found

    async def used(self) -> Sequence[str]:
        return tuple(self._used)


class MaskedSecrets:
    """The host's secrets, each masked from the moment on that it is used."""

    def __init__(self, inner: "Secrets", masker: Masker) -> None:
        self._inner = inner
        self._masker = masker

    async def reveal(self, names: Collection[str]) -> Mapping[str, str]:
        found = await self._inner.reveal(names)
        self._masker.add(found.values())
        return found

    async def credential(self, reference: str) -> Credential:
        found = await self._inner.credential(reference)
        self._masker.add(found.hidden)
        return found

    async def mail_server(self, reference: str | None) -> MailServer:
        found = await self._inner.mail_server(reference)
        self._masker.add([found.password] if found.password else [])
        return found

    async def used(self) -> Sequence[str]:
        found = await self._inner.used()
        self._masker.add(found)
        return found


class Stamp:
    """Puts a credential on one request and on its redirects, each as it leaves.

    The first request must go to one of the credential's hosts. A redirect elsewhere, to another scheme or
    port too, goes without it, and without headers that hold a secret; one whose body holds one is refused.
    """

    def __init__(self, credential: Credential | None, masker: Masker) -> None:
        self._credential = credential
        self._masker = masker
        self._first: tuple[str, str, int | None] | None = None
        self._secret_body: object = None

    def __call__(self, request: "httpx.Request") -> "httpx.Request":
        """The request to send instead; the given one stays as it is, since redirects are made from it."""
        import httpx

        url, headers = request.url, httpx.Headers(request.headers)
        origin = (url.scheme, host_of(url), port_of(url))
        credential = self._credential
        allowed = credential is not None and credential.allows(url)
        if self._first is None:
            self._first = origin
            if self._masker.hides(request.content.decode("utf-8", "replace")):
                self._secret_body = request.stream
            if credential is not None and not allowed:
                hosts = ", ".join(map(str, credential.hosts))
                raise CredentialRefusedError(
                    f"The credential {credential.name!r} may only be sent to {hosts}, not to"
                    f" {url.scheme}://{url.netloc.decode('ascii').rpartition('@')[2]}",
                    details={"credential": credential.name, "host": url.host},
                )
        elif origin != self._first:
            for name in [name for name, value in headers.items() if self._masker.hides(value)]:
                del headers[name]
            if self._secret_body is not None and request.stream is self._secret_body:
                raise CredentialRefusedError(
                    f"{self._first[1]} redirects to {url.host}, and the body holds a secret",
                    details={"host": url.host},
                )
        if credential is not None and allowed:
            headers.update(credential.headers)
            url = url.copy_merge_params(dict(credential.query)) if credential.query else url
        return httpx.Request(
            request.method, url, headers=headers, stream=request.stream, extensions=request.extensions
        )
