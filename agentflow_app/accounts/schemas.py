"""What the account calls take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from agentflow_app.core.schemas import Email, Input, Name, Output
from agentflow_app.core.tenancy import Permission, Role


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is only spaces")
    return value


Password = Annotated[str, StringConstraints(min_length=8, max_length=256), AfterValidator(_not_blank)]


PlainPassword = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""One that is compared with what is stored, whatever the rules were when it was chosen."""
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Code = Annotated[str, StringConstraints(min_length=6, max_length=40)]


class SignUp(Input):
    email: Email
    password: Password
    name: Name
    org_name: Name


class LogIn(Input):
    email: Annotated[str, StringConstraints(max_length=255)]
    password: Annotated[str, StringConstraints(max_length=256)]


class UserOut(Output):
    id: UUID
    email: str
    name: str
    avatar_url: str | None = None


class OrgOut(Output):
    id: UUID
    name: str
    slug: str
    plan: str


class Me(Output):
    user: UserOut
    org: OrgOut
    role: Role
    permissions: list[Permission]


class SignedIn(Output):
    """`access_token` is a JWT for `expires_in` seconds; what renews it is in a cookie."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # the kind of token, not one
    expires_in: int
    user: UserOut
    org: OrgOut
    role: Role


class SecondStep(Input):
    """A `code` of the authenticator app, a recovery code, or what a passkey signed as `credential`."""

    challenge: Secret
    code: Code | None = None
    credential: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "SecondStep":
        if (self.code is None) == (self.credential is None):
            raise ValueError("send either code or credential")
        return self


class PasskeyAsked(Output):
    """`options` are for `navigator.credentials`."""

    challenge: str
    options: dict[str, Any]


class PasskeyLogIn(Input):
    challenge: Secret
    credential: dict[str, Any]


class NewPasskey(Input):
    challenge: Secret
    credential: dict[str, Any]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class PasskeyRename(Input):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class PasskeyOut(Output):
    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None


class PasskeyMade(PasskeyOut):
    """`recovery_codes` come with the first second factor: in this answer and never again."""

    recovery_codes: list[str] = []


class SessionOut(Output):
    """`kind`: `browser` for the pages, `api` for a family of refresh tokens."""

    id: UUID
    kind: Literal["browser", "api"]
    organization: str
    browser: str
    address: str | None
    created_at: datetime
    last_seen_at: datetime
    current: bool = False


class Profile(Output):
    """`can_verify`: whether this server sends mail at all."""

    id: UUID
    name: str
    email: str
    email_verified: bool
    can_verify: bool
    has_password: bool
    created_at: datetime


class ProfileChange(Input):
    name: Name


class EmailChange(Input):
    """Without the password a proof is asked for."""

    email: Email
    password: PlainPassword | None = None


class PasswordChange(Input):
    """Without the old password a proof is asked for: who has none sets the first one."""

    old_password: PlainPassword | None = None
    new_password: Password


class PasswordForgot(Input):
    email: Annotated[str, StringConstraints(max_length=255)]


class PasswordReset(Input):
    token: Secret
    password: Password


class Confirmed(Input):
    """Before something that a thief of the session must not do: the password, or a proof given before."""

    password: PlainPassword | None = None


class ProofGiven(Input):
    """One of: the `password`, the app's `code`, what a passkey signed for `challenge` as `credential`."""

    password: PlainPassword | None = None
    code: Code | None = None
    challenge: Secret | None = None
    credential: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "ProofGiven":
        signed = self.challenge is not None and self.credential is not None
        half = not signed and (self.challenge is not None or self.credential is not None)
        if half or [self.password is not None, self.code is not None, signed].count(True) != 1:
            raise ValueError("send either password, or code, or challenge with credential")
        return self


class ProofProvider(Output):
    kind: Literal["google", "github", "sso"]
    name: str
    connection_id: UUID | None


class ProofOut(Output):
    """Until when this session is believed to be its person's, and what they can prove it with."""

    proved_until: datetime | None
    password: bool
    passkey: bool
    totp: bool
    providers: list[ProofProvider]


class ProofThere(Input):
    """By a fresh sign-in at a provider that knows the person; `next` is a path of the pages."""

    provider: Literal["google", "github"] | None = None
    connection_id: UUID | None = None
    next: Annotated[str, StringConstraints(max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "ProofThere":
        if (self.provider is None) == (self.connection_id is None):
            raise ValueError("send either provider or connection_id")
        return self


class ProofBegun(Output):
    """`url` is to be opened in the browser that got this answer's cookie."""

    url: str


class IdentityOut(Output):
    """A provider that knows the person. `usable`: it is set up here, so that they can sign in with it."""

    id: UUID
    kind: Literal["google", "github", "sso", "other"]
    name: str
    usable: bool
    created_at: datetime


class AccountDelete(Confirmed):
    """`confirm` is the account's e-mail address, typed by who means it."""

    confirm: Annotated[str, StringConstraints(max_length=255)]


class OwnKey(Output):
    """An API key as its maker is told of it with everything else that is theirs."""

    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


class LinkFollowed(Input):
    token: Secret


class Verified(Output):
    """`changed`: it is a new address of the account."""

    email: str
    changed: bool


class Enrolment(Output):
    """For the authenticator app: `uri` is what the QR code holds. In this answer and never again."""

    secret: str
    uri: str
    qr_svg: str


class TotpConfirm(Input):
    code: Code


class Disable(Confirmed):
    code: Code


class RecoveryCodes(Output):
    """Each works once. In this answer and never again."""

    codes: list[str]


class SecondFactorOut(Output):
    totp_since: datetime | None
    recovery_codes_left: int


class Switch(Input):
    org_id: UUID


class UserRef(Output):
    id: UUID
    name: str


ApiKeyStatus = Literal["active", "expired", "inactive"]


class ApiKeyCreate(Input):
    """`scopes` are permissions; without `expires_at` the key is good until it is revoked."""

    name: Name
    scopes: list[Permission] = Field(min_length=1, max_length=100)
    expires_at: AwareDatetime | None = None


class ApiKeyRotate(Input):
    """For `grace_seconds` the secret of before is good too, so that nothing stops while it is replaced."""

    grace_seconds: int = Field(default=0, ge=0, le=86_400)


class ApiKeyOut(Output):
    """`inactive`: whoever made it is no longer an active member."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    status: ApiKeyStatus
    created_by: UserRef | None
    is_own: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_until: datetime | None


class ApiKeySecret(ApiKeyOut):
    """`key` is the secret itself, in this answer and never again."""

    key: str
