"""A person's own name and address."""

from typing import Any

import reflex as rx

from agentflow_app.accounts import profile
from agentflow_app.accounts.erasure import erase_account
from agentflow_app.accounts.schemas import AccountDelete, EmailChange, Profile, ProfileChange
from agentflow_app.core.errors import AppError
from agentflow_app.privacy.service import personal_data
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, actor_of, acts, event, loads
from agentflow_app.ui.shell import Shell


class OwnProfile(PageState, rx.State):
    name: str = ""
    email: str = ""
    verified: bool = False
    can_verify: bool = False
    error: str = ""
    email_error: str = ""
    deleting: bool = False
    delete_error: str = ""

    @event
    @loads
    async def load(self) -> None:
        shell = await self.get_state(Shell)
        actor = await actor_of(self)
        shell._show(actor)
        self._fill(await profile.read_profile(actor))
        self.error, self.email_error, self.delete_error = "", "", ""
        self.deleting = False

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
        given = {"email": text_of(form, "email"), "password": secret_of(form, "password")}
        try:
            await profile.ask_for_address(actor, read_form(EmailChange, given))
        except AppError as error:
            self.email_error = problem(error)
            return None
        self.email_error = ""
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
    async def set_deleting(self, is_open: bool) -> None:
        self.deleting, self.delete_error = bool(is_open), ""

    @event
    @acts
    async def delete_account(self, form: dict[str, Any]) -> Any:
        actor = await actor_of(self)
        given = {"password": secret_of(form, "password"), "confirm": text_of(form, "confirm")}
        try:
            await erase_account(actor, read_form(AccountDelete, given))
        except AppError as error:
            self.delete_error = problem(error)
            return None
        return rx.redirect("/login")


def secret_of(form: object, name: str) -> str:
    """A field whose spaces count, as in a password."""
    value = form.get(name) if isinstance(form, dict) else None
    return value if isinstance(value, str) else ""
