"""What an organization decides for all of its members. Stored as JSON: a new field needs no migration."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from agentflow_app.core.schemas import Input
from engine.egress.origins import Origin


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


def _host_alone(entry: str) -> str:
    origin = Origin.parse(entry)
    if "://" in entry or (origin.scheme, origin.port) != ("https", 443):
        raise ValueError("is a host like api.example.com or *.example.com, without scheme or port")
    return str(origin)


Host = Annotated[str, StringConstraints(max_length=300), AfterValidator(_host_alone)]


FieldName = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^\s*[^\s*][^*]*\*?\s*$")
]
Days = Annotated[int, Field(ge=1, le=3650)]


class OrganizationSettings(Input):
    """Every field has a default: it is what holds for who never chose."""

    invitation_domains: list[Domain] = Field(default_factory=list, max_length=50)
    """Invitations go only to addresses of these domains; empty: to any."""
    egress_allowed_hosts: list[Host] = Field(default_factory=list, max_length=200)
    """The nodes of runs send requests only to these hosts; empty: to all that are public."""
    require_second_factor: bool = False
    """Members without a second factor may do nothing here but set one up."""
    retention_days: Days | None = None
    """Runs are removed so many days after they ended, with all that was noted of them; None: kept."""
    log_retention_days: Days | None = None
    """What ended runs logged is removed so many days after their end; None: kept as long as the run."""
    redact_fields: list[FieldName] = Field(default_factory=list, max_length=100)
    """Values under these names are taken out of a run when it ends. Their case does not matter; a name that
    ends in `*` stands for all that begin like it."""


def read_settings(stored: Mapping[str, Any]) -> OrganizationSettings:
    """From the row. What an older or newer release wrote and this one does not know is left out."""
    known = {name: value for name, value in stored.items() if name in OrganizationSettings.model_fields}
    return OrganizationSettings.model_validate(known)
