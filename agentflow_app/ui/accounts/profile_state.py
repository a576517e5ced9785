"""A person's own name and address."""

from typing import Any

import reflex as rx

from agentflow_app.accounts import profile
from agentflow_app.accounts.erasure import erase_account
from agentflow_app.accounts.schemas import AccountDelete, EmailChange, Profile, ProfileChange
from agentflow_app.core.errors import AppError
from agentflow_app.core.tenancy import Actor
from agentflow_app.privacy.service import personal_data
from agentflow_app.ui.accounts.proof_state import Proving
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, actor_of, acts, event, loads
from agentflow_app.ui.shell import Shell

QUESTIONS = ("email", "delete")


class OwnProfile(Proving, PageState, rx.State):
    name: str = ""
    email: str = ""
    verified: bool = False
    can_verify: bool = False
    error: str = ""
    asking: str = ""
    ask_error: str = ""

    @event
    @loads
    async def load(self) -> Any:
        shell = await self.get_state(Shell)
        actor = await actor_of(self)
        shell._show(actor)
        self._fill(await profile.read_profile(actor))
        self._forget()
        self.error = ""
        return await self._resume(actor, QUESTIONS)

    def _forget(self) -> None:
        self.asking, self.ask_error = "", ""
        self._end_proof()

    def _fill(self, found: Profile) -> None:
        self.name, self.email = found.name, found.email
        self.verified, self.can_verify = found.email_verified, found.can_verify

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        shell = await self.get_state(Shell)
        actor = await actor_of(self)
        try:
            data = read_form(ProfileChange, {"name": text_of(form, "name")})
            self._fill(await profile.change_profile(actor, data))
        except AppError as error:
            self.error = problem(error)
            return None
        self.error, shell.name = "", self.name
        return rx.toast.success("Saved")

    @event
    @acts
    async def change_email(self, form: dict[str, Any]) -> Any:
        actor = await actor_of(self)
        try:
            data = read_form(EmailChange, {"email": text_of(form, "email")})
            await profile.ask_for_address(actor, data)
        except AppError as error:
            self.ask_error = problem(error)
            return None
        self._forget()
        return rx.toast.success("Follow the link that was sent to the new address")

    @event
    @acts
    async def send_verification(self) -> Any:
        await profile.ask_for_verification(await actor_of(self))
        return rx.toast.success(f"A link was sent to {self.email}")

    @event
    @acts
    async def export_data(self) -> Any:
        found = await personal_data(await actor_of(self))
        return rx.download(data=found.model_dump_json(indent=2), filename="my-data.json")

    @event
    @acts
    async def ask(self, question: str) -> None:
        """For a new address, or the end of the account."""
        actor = await actor_of(self)
        self._forget()
        if question in QUESTIONS:
            await self._ask_for_proof(actor, question, "")

    async def _go_on(self, actor: Actor, question: str, target: str) -> None:
        self.asking = question

    @event
    async def set_asking(self, is_open: bool) -> None:
        if not is_open:
            self._forget()

    @event
    @acts
    async def delete_account(self, form: dict[str, Any]) -> Any:
        actor = await actor_of(self)
        try:
            await erase_account(actor, read_form(AccountDelete, {"confirm": text_of(form, "confirm")}))
        except AppError as error:
            self.ask_error = problem(error)
            return None
        return rx.redirect("/login")


def secret_of(form: object, name: str) -> str:
    """A field whose spaces count, as in a password."""
    value = form.get(name) if isinstance(form, dict) else None
    return value if isinstance(value, str) else ""
