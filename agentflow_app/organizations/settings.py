"""What an organization decides for all of its members. Stored as JSON: a new field needs no migration."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from agentflow_app.core.schemas import Input


def _lower(domain: str) -> str:
    return domain.lower()


Domain = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=253,
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$",
    ),
    AfterValidator(_lower),
]


class OrganizationSettings(Input):
    """Every field has a default: it is what holds for who never chose."""

    invitation_domains: list[Domain] = Field(default_factory=list, max_length=50)
    """Invitations go only to addresses of these domains; empty: to any."""


def read_settings(stored: Mapping[str, Any]) -> OrganizationSettings:
    """From the row. What an older or newer release wrote and this one does not know is left out."""
    known = {name: value for name, value in stored.items() if name in OrganizationSettings.model_fields}
    return OrganizationSettings.model_validate(known)
