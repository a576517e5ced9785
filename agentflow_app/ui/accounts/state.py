"""The doors: whoever is logged in already walks on."""

from typing import Any

import reflex as rx

from agentflow_app.ui.session import SignedOut, actor_of, event


class Door(rx.State):
    @event
    async def load(self) -> Any:
        try:
            await actor_of(self)
        except SignedOut:
            return None
        return rx.call_script("localStorage.setItem('agentflow.known', '1'); location.replace('/')")
