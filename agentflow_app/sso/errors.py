"""Why a sign-in through a provider did not happen, a sentence each on the login pages; what SCIM refuses."""

from agentflow_app.core.errors import AppError, Conflict, Forbidden, NotFound, Unauthenticated


class ConnectionNotFound(NotFound):
    code = "SSO_CONNECTION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such connection")


class NoDoor(NotFound):
    """Nobody's domain, or a connection that is switched off: not told apart."""

    code = "SSO_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No single sign-on is set up for this address")


class LoginGone(Unauthenticated):
    """Unknown, used before, too old, or begun in another browser: not told apart."""

    code = "SSO_EXPIRED"

    def __init__(self) -> None:
        super().__init__("This sign-in took too long or was begun elsewhere; start again")


class ProviderRefused(Unauthenticated):
    code = "SSO_DENIED"

    def __init__(self) -> None:
        super().__init__("The identity provider did not let you in")


class ProviderFault(Unauthenticated):
    """`reason` is for the organization's admins: the audit trail and the test of the connection."""

    code = "SSO_PROVIDER_FAULT"

    def __init__(self, reason: str) -> None:
        super().__init__("The identity provider's answer cannot be used; tell your administrator")
        self.reason = reason


class AddressRefused(Forbidden):
    code = "SSO_ADDRESS_REFUSED"

    def __init__(self, reason: str) -> None:
        super().__init__("The identity provider did not name an address that may come in here")
        self.reason = reason


class SomebodyElse(Forbidden):
    """Whom the provider knows is not whose session it is."""

    code = "SSO_SOMEBODY_ELSE"

    def __init__(self) -> None:
        super().__init__("You signed in there as somebody else; use the account that is linked to this one")


class NotFresh(Unauthenticated):
    """The provider did not ask again, or does not say when it did."""

    code = "SSO_NOT_FRESH"

    def __init__(self) -> None:
        super().__init__("Your provider did not ask you to sign in again; confirm that it is you another way")


class SocialAddressRefused(Forbidden):
    code = "SOCIAL_ADDRESS_REFUSED"

    def __init__(self) -> None:
        super().__init__("That account has no e-mail address that its provider has verified")


class AccessEnded(Forbidden):
    code = "SSO_ACCESS_ENDED"

    def __init__(self) -> None:
        super().__init__("Your access to this organization has ended")


class NameTaken(Conflict):
    code = "NAME_TAKEN"


class NotVerified(Conflict):
    code = "SSO_NO_VERIFIED_DOMAIN"

    def __init__(self) -> None:
        super().__init__("Verify a domain first: sign-in can only be demanded of addresses that are yours")


class ScimTokenNotFound(NotFound):
    code = "SCIM_TOKEN_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no SCIM token")


class ScimRefused(AppError):  # noqa: N818
    """What SCIM answers with 400; `kind` is its `scimType`."""

    code = "SCIM_REFUSED"
    status = 400

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
