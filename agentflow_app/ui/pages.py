"""Every page of the app: its route, title and what loads it."""

import reflex as rx

from agentflow_app.ui.accounts.page import log_in_page, sign_up_page
from agentflow_app.ui.accounts.profile_page import profile_page
from agentflow_app.ui.accounts.profile_state import OwnProfile
from agentflow_app.ui.accounts.recovery_page import forgot_page, reset_page, verify_page
from agentflow_app.ui.accounts.security_page import security_page
from agentflow_app.ui.accounts.security_state import Security
from agentflow_app.ui.accounts.state import Door
from agentflow_app.ui.agents.page import agents_page
from agentflow_app.ui.agents.state import Agents
from agentflow_app.ui.api_keys.page import api_keys_page
from agentflow_app.ui.api_keys.state import ApiKeys
from agentflow_app.ui.approvals.page import approvals_page
from agentflow_app.ui.approvals.state import Approvals
from agentflow_app.ui.audit.page import audit_page
from agentflow_app.ui.audit.state import Audit
from agentflow_app.ui.builder.page import builder_page
from agentflow_app.ui.builder.state import Builder
from agentflow_app.ui.executions.comparison_page import comparison_page
from agentflow_app.ui.executions.comparison_state import Comparison
from agentflow_app.ui.executions.list_page import runs_page
from agentflow_app.ui.executions.page import run_page
from agentflow_app.ui.executions.state import Run, Runs
from agentflow_app.ui.home.page import home_page
from agentflow_app.ui.home.state import Home
from agentflow_app.ui.missing_page import missing_page
from agentflow_app.ui.operator.page import operator_page
from agentflow_app.ui.operator.state import Operator
from agentflow_app.ui.organizations.danger_page import danger_page
from agentflow_app.ui.organizations.danger_state import Danger
from agentflow_app.ui.organizations.general_page import general_page
from agentflow_app.ui.organizations.general_state import General
from agentflow_app.ui.organizations.invite_page import invite_page
from agentflow_app.ui.organizations.invite_state import Invite
from agentflow_app.ui.organizations.members_page import members_page
from agentflow_app.ui.organizations.members_state import Members
from agentflow_app.ui.organizations.privacy_page import privacy_page
from agentflow_app.ui.organizations.privacy_state import Privacy
from agentflow_app.ui.organizations.roles_page import roles_page
from agentflow_app.ui.organizations.roles_state import Roles
from agentflow_app.ui.organizations.teams_page import teams_page
from agentflow_app.ui.organizations.teams_state import Teams
from agentflow_app.ui.schedules.page import schedules_page
from agentflow_app.ui.schedules.state import Schedules
from agentflow_app.ui.sso.door_page import sso_page
from agentflow_app.ui.sso.page import single_sign_on_page
from agentflow_app.ui.sso.state import SingleSignOn
from agentflow_app.ui.vault.credentials_page import credentials_page
from agentflow_app.ui.vault.credentials_state import Credentials
from agentflow_app.ui.vault.secrets_page import secrets_page
from agentflow_app.ui.vault.secrets_state import Secrets


def add_pages(app: rx.App) -> None:
    app.add_page(sign_up_page, route="/signup", title="Sign up · AgentFlow", on_load=Door.load)
    app.add_page(log_in_page, route="/login", title="Log in · AgentFlow", on_load=Door.load)
    app.add_page(sso_page, route="/login/sso", title="Single sign-on · AgentFlow", on_load=Door.load)
    app.add_page(home_page, route="/", title="Home · AgentFlow", on_load=Home.load)
    app.add_page(agents_page, route="/agents", title="Agents · AgentFlow", on_load=Agents.load)
    app.add_page(builder_page, route="/agents/[agent_id]", title="Builder · AgentFlow", on_load=Builder.load)
    app.add_page(runs_page, route="/runs", title="Runs · AgentFlow", on_load=Runs.load)
    app.add_page(run_page, route="/runs/[run_id]", title="Run · AgentFlow", on_load=Run.load)
    app.add_page(
        comparison_page,
        route="/runs/[run_id]/compare/[other_id]",
        title="Two runs compared · AgentFlow",
        on_load=Comparison.load,
    )
    app.add_page(approvals_page, route="/approvals", title="Approvals · AgentFlow", on_load=Approvals.load)
    app.add_page(schedules_page, route="/schedules", title="Schedules · AgentFlow", on_load=Schedules.load)
    app.add_page(
        rx.fragment,
        route="/settings",
        title="Settings · AgentFlow",
        on_load=rx.redirect("/settings/organization", replace=True),
    )
    for page, name, title, load in (
        (general_page, "organization", "Organization", General.load),
        (members_page, "members", "Members", Members.load),
        (roles_page, "roles", "Roles", Roles.load),
        (teams_page, "teams", "Teams", Teams.load),
        (api_keys_page, "api-keys", "API keys", ApiKeys.load),
        (secrets_page, "secrets", "Secrets & variables", Secrets.load),
        (credentials_page, "credentials", "Credentials", Credentials.load),
        (single_sign_on_page, "sso", "Single sign-on", SingleSignOn.load),
        (audit_page, "audit", "Audit log", Audit.load),
        (privacy_page, "privacy", "Data & privacy", Privacy.load),
        (danger_page, "danger", "Danger zone", Danger.load),
        (profile_page, "profile", "Profile", OwnProfile.load),
        (security_page, "security", "Security", Security.load),
    ):
        app.add_page(page, route=f"/settings/{name}", title=f"{title} · AgentFlow", on_load=load)
    app.add_page(operator_page, route="/operator", title="Operator · AgentFlow", on_load=Operator.load)
    app.add_page(invite_page, route="/invite/[token]", title="Invitation · AgentFlow", on_load=Invite.load)
    for door, name, title in (
        (forgot_page, "forgot", "Forgot your password"),
        (reset_page, "reset", "New password"),
        (verify_page, "verify", "Confirm your address"),
    ):
        app.add_page(door, route=f"/{name}", title=f"{title} · AgentFlow", on_load=Door.look)
    app.add_page(missing_page, route="404", title="Not found · AgentFlow")
