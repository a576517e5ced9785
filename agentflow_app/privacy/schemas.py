"""What is kept about a person, as they get it."""

from datetime import datetime
from uuid import UUID

from agentflow_app.accounts.schemas import OwnKey, PasskeyOut, Profile, SecondFactorOut, SessionOut
from agentflow_app.audit.schemas import AuditEntry
from agentflow_app.core.schemas import Output
from agentflow_app.executions.schemas import StartedRun


class Decision(Output):
    """An approval that the person decided."""

    execution_id: UUID | None
    step_id: str | None
    node_id: str | None
    decision: str
    decided_at: datetime


class OwnPlace(Output):
    """What is kept of the person in one organization."""

    id: UUID
    name: str
    role: str
    status: str
    joined_at: datetime
    teams: list[str]
    api_keys: list[OwnKey]
    executions: list[StartedRun]
    approvals: list[Decision]
    audit_entries: list[AuditEntry]


class SignInProvider(Output):
    """Google or GitHub, by address, and the number by which it knows the person."""

    issuer: str
    subject: str
    created_at: datetime


class PersonalData(Output):
    exported_at: datetime
    profile: Profile
    second_factor: SecondFactorOut
    passkeys: list[PasskeyOut]
    sessions: list[SessionOut]
    sign_in_providers: list[SignInProvider]
    organizations: list[OwnPlace]
