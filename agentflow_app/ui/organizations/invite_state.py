"""The door for whoever holds an invitation's link. The link's secret stays in the address alone."""

from typing import Any

import reflex as rx

from agentflow_app.accounts.sessions import session_cookie, switch_page_session
from agentflow_app.core.errors import NotFound
from agentflow_app.organizations import joining
from agentflow_app.ui.session import PageState, SignedOut, actor_of, acts, event, loads


class Invite(PageState, rx.State):
    organization: str = ""
    email: str = ""
    role: str = ""
    has_account: bool = False
    signed_in_as: str = ""
    form_path: str = ""
    login_path: str = ""

    def _token(self) -> str:
        return self.router.url.path.rstrip("/").rpartition("/")[2]

    @event
    @loads
    async def load(self) -> None:
        token = self._token()
        self.organization, self.signed_in_as = "", ""
        try:
            found = await joining.preview(token)
        except NotFound:
            self.form_path = ""
            raise
        self.organization, self.email, self.role = found.organization, found.email, found.role
        self.has_account = found.has_account
        self.form_path = f"/api/v1/invitations/{token}/accept?session=page"
        self.login_path = f"/login?next=/invite/{token}"
        try:
            self.signed_in_as = (await actor_of(self)).email
        except SignedOut:
            self.signed_in_as = ""

    @event
    @acts
    async def accept(self) -> Any:
        actor = await actor_of(self)
        org_id = await joining.accept(actor, self._token())
        await switch_page_session(session_cookie(self.router.headers.cookie), org_id)
        return rx.redirect("/")
