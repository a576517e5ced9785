"""The doors: whoever is logged in already walks on."""

from typing import Any

import reflex as rx

from agentflow_app.mail.service import mail_configured
from agentflow_app.sso.clients import offered
from agentflow_app.ui.session import SignedOut, actor_of, event


class Door(rx.State):
    sends_mail: bool = False
    providers: list[str] = []
    """Google and GitHub, where they are set up."""
    address: str = ""
    """Of who is logged in, but not as their organization demands."""

    @event
    async def look(self) -> None:
        """For the doors that are open to whoever is logged in, too."""
        self.sends_mail = mail_configured()

    @event
    async def load(self) -> Any:
        self.providers = offered()
        self.address = ""
        try:
            actor = await actor_of(self)
        except SignedOut:
            return None
        if actor.lacks_single_sign_on:
            self.address = actor.email
            return None
        return rx.call_script("localStorage.setItem('agentflow.known', '1'); location.replace('/')")
