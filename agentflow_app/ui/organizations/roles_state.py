"""The table of rights is the same for everybody; only the frame around it is the person's."""

import reflex as rx

from agentflow_app.ui.session import PageState, event, loads
from agentflow_app.ui.shell import Shell


class Roles(PageState, rx.State):
    @event
    @loads
    async def load(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (_, actor):
            shell._show(actor)
