"""What SCIM 2.0 (RFC 7643, 7644) takes; what is given beyond it is left alone, as providers expect."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

from agentflow_app.core.schemas import Email, Name, Storable

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
MOST = 1000
"""Of the members or operations that one call names."""


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _line(value: str) -> str:
    return value.strip()[:255]


Line = Annotated[str, AfterValidator(_line)]


class ScimName(Storable):
    formatted: Line = ""
    givenName: Line = ""  # noqa: N815
    familyName: Line = ""  # noqa: N815


class ScimUser(Storable):
    userName: Email  # noqa: N815
    displayName: Line = ""  # noqa: N815
    name: ScimName = Field(default_factory=ScimName)
    active: bool | None = None

    @property
    def called(self) -> str:
        joined = f"{self.name.givenName} {self.name.familyName}".strip()
        return (self.displayName or self.name.formatted or joined or self.userName.partition("@")[0])[:255]


class ScimMember(Storable):
    value: UUID


class ScimGroup(Storable):
    displayName: Name  # noqa: N815
    members: list[ScimMember] = Field(default_factory=list, max_length=MOST)


class Operation(Storable):
    op: Annotated[Literal["add", "replace", "remove"], BeforeValidator(_lower)]
    path: str | None = Field(default=None, max_length=500)
    value: Any = None

    def changes(self, schema: str) -> dict[str, Any]:
        """What it names, in lower case, and the value for it."""
        if self.path is not None:
            return {self.path.removeprefix(f"{schema}:").lower(): self.value}
        given = self.value if isinstance(self.value, dict) else {}
        return {name.removeprefix(f"{schema}:").lower(): value for name, value in given.items()}


class Patch(Storable):
    Operations: list[Operation] = Field(min_length=1, max_length=MOST)
