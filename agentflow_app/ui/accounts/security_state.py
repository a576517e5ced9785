"""How a person signs in: password, second factor, passkeys, linked accounts, sessions.

Secrets pass once, and go with their dialog.
"""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.accounts import active, identities, passkeys, profile, recovery, second_factor
from agentflow_app.accounts.schemas import (
    Disable,
    NewPasskey,
    PasskeyRename,
    PasswordChange,
    TotpConfirm,
)
from agentflow_app.core.errors import AppError
from agentflow_app.core.tenancy import Actor
from agentflow_app.ui.accounts.profile_state import secret_of
from agentflow_app.ui.accounts.proof_state import Proving
from agentflow_app.ui.figures import moment
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, actor_of, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell

QUESTIONS = ("password", "rename", "session", "everywhere")
PROVED = ("first_password", "totp", "renew", "disable", "passkey", "remove", "unlink")
"""What is asked of who has proved that it is them."""


@dataclass
class SessionRow:
    id: str = ""
    title: str = ""
    place: str = ""
    since: str = ""
    seen: str = ""
    current: bool = False


@dataclass
class PasskeyRow:
    id: str = ""
    name: str = ""
    since: str = ""
    used: str = ""


@dataclass
class IdentityRow:
    id: str = ""
    name: str = ""
    kind: str = ""
    since: str = ""
    usable: bool = True


KINDS = {"google": "Google", "github": "GitHub", "sso": "Single sign-on", "other": "No longer set up here"}


class Security(Proving, PageState, rx.State):
    has_password: bool = True
    demanded: bool = False
    totp_since: str = ""
    has_second_factor: bool = False
    codes_left: int = 0
    passkeys: list[PasskeyRow] = []
    sessions: list[SessionRow] = []
    identities: list[IdentityRow] = []

    asking: str = ""
    error: str = ""
    passkey: PasskeyRow = PasskeyRow()
    session: SessionRow = SessionRow()
    identity: IdentityRow = IdentityRow()
    qr: str = ""
    secret: str = ""
    codes: list[str] = []
    asked: dict[str, Any] = {}
    making: bool = False
    _name: str = ""

    @event
    @loads
    async def load(self) -> Any:
        self._forget()
        shell = await self.get_state(Shell)
        actor = await actor_of(self)
        shell._show(actor)
        await self._read(actor)
        return await self._resume(actor, PROVED)

    def _forget(self) -> None:
        self.asking, self.error, self.qr, self.secret, self.codes = "", "", "", "", []
        self.asked, self.making, self._name = {}, False, ""
        self._end_proof()

    async def _read(self, actor: Actor) -> None:
        self.has_password = (await profile.read_profile(actor)).has_password
        factor = await second_factor.show(actor)
        keys = await passkeys.list_passkeys(actor)
        self.identities = [
            IdentityRow(str(each.id), each.name, KINDS[each.kind], moment(each.created_at), each.usable)
            for each in await identities.list_identities(actor)
        ]
        self.totp_since, self.codes_left = moment(factor.totp_since), factor.recovery_codes_left
        self.has_second_factor = bool(factor.totp_since or keys)
        self.demanded = actor.lacks_second_factor and not self.has_second_factor
        self.passkeys = [
            PasskeyRow(str(each.id), each.name, moment(each.created_at), moment(each.last_used_at))
            for each in keys
        ]
        self.sessions = [
            SessionRow(
                id=str(each.id),
                title=each.browser if each.kind == "browser" else f"API client · {each.browser}",
                place=" · ".join(part for part in (each.address, each.organization) if part),
                since=moment(each.created_at),
                seen=moment(each.last_seen_at),
                current=each.current,
            )
            for each in await active.list_sessions(actor)
        ]

    @event
    @acts
    async def ask(self, question: str, target: str = "") -> None:
        actor = await actor_of(self)
        self._forget()
        if question in PROVED:
            await self._ask_for_proof(actor, question, str(target))
        elif question in QUESTIONS:
            self._open(question, str(target))

    def _open(self, question: str, target: str) -> None:
        self.passkey = next((each for each in self.passkeys if each.id == target), PasskeyRow())
        self.session = next((each for each in self.sessions if each.id == target), SessionRow())
        self.identity = next((each for each in self.identities if each.id == target), IdentityRow())
        self.asking = question

    async def _go_on(self, actor: Actor, question: str, target: str) -> None:
        if question == "totp":
            await self._begin_totp(actor)
        else:
            self._open(question, target)

    @event
    async def set_asking(self, is_open: bool) -> None:
        if not is_open:
            self._forget()

    async def _do(self, act: Callable[[Actor], Awaitable[object]], told: str) -> Any:
        """Does it and shows how things stand then, or what is wrong beside the question."""
        actor = await actor_of(self)
        try:
            await act(actor)
        except AppError as error:
            self.error = problem(error)
            return None
        self._forget()
        await self._read(actor)
        return rx.toast.success(told)

    async def _set_password(self, form: dict[str, Any], told: str, *fields: str) -> Any:
        given = {name: secret_of(form, name) for name in fields}

        async def change(actor: Actor) -> None:
            await recovery.change_password(actor, read_form(PasswordChange, given))

        return await self._do(change, f"{told}, and your other sessions have ended")

    @event
    @acts
    async def change_password(self, form: dict[str, Any]) -> Any:
        return await self._set_password(form, "Your password is changed", "old_password", "new_password")

    @event
    @acts
    async def set_password(self, form: dict[str, Any]) -> Any:
        """The first one."""
        return await self._set_password(form, "You can log in with your password now", "new_password")

    async def _begin_totp(self, actor: Actor) -> None:
        begun = await second_factor.begin(actor, None)
        drawn = base64.b64encode(begun.qr_svg.encode()).decode()
        self.error, self.asking, self.secret = "", "scan", begun.secret
        self.qr = f"data:image/svg+xml;base64,{drawn}"

    @event
    @acts
    async def confirm_totp(self, form: dict[str, Any]) -> None:
        actor = await actor_of(self)
        try:
            done = await second_factor.confirm(
                actor, read_form(TotpConfirm, {"code": text_of(form, "code")}).code
            )
        except AppError as error:
            self.error = problem(error)
            return
        self._forget()
        await self._read(actor)
        self.asking, self.codes = "codes", done.codes

    @event
    @acts
    async def renew_codes(self) -> None:
        actor = await actor_of(self)
        try:
            done = await second_factor.new_recovery_codes(actor, None)
        except AppError as error:
            self.error = problem(error)
            return
        await self._read(actor)
        self.error, self.asking, self.codes = "", "codes", done.codes

    @event
    @acts
    async def disable_totp(self, form: dict[str, Any]) -> Any:
        async def disable(actor: Actor) -> None:
            await second_factor.disable(actor, read_form(Disable, {"code": text_of(form, "code")}))

        return await self._do(disable, "The authenticator app is turned off")

    @event
    @acts
    async def begin_passkey(self, form: dict[str, Any]) -> None:
        actor = await actor_of(self)
        try:
            self._name = read_form(PasskeyRename, {"name": text_of(form, "name")}).name
            begun = await passkeys.begin_registration(actor, None)
        except AppError as error:
            self.error = problem(error)
            return
        self.error, self.making, self.asked = "", True, begun.model_dump()

    @event
    @acts
    async def finish_passkey(self, credential: dict[str, Any]) -> Any:
        actor = await actor_of(self)
        given = {"challenge": self.asked.get("challenge", ""), "credential": credential, "name": self._name}
        try:
            made = await passkeys.finish_registration(actor, read_form(NewPasskey, given))
        except AppError as error:
            self.error, self.making, self.asked = problem(error), False, {}
            return None
        self._forget()
        await self._read(actor)
        if made.recovery_codes:
            self.asking, self.codes = "codes", made.recovery_codes
        return rx.toast.success(f"{made.name} can log in now")

    @event
    async def fail_passkey(self, message: str) -> None:
        self.error, self.making, self.asked = str(message)[:200], False, {}

    @event
    @acts
    async def rename_passkey(self, form: dict[str, Any]) -> None:
        actor = await actor_of(self)
        try:
            name = read_form(PasskeyRename, {"name": text_of(form, "name")}).name
            await passkeys.rename(actor, id_of(self.passkey.id), name)
        except AppError as error:
            self.error = problem(error)
            return
        self._forget()
        await self._read(actor)

    @event
    @acts
    async def remove_passkey(self) -> Any:
        async def remove(actor: Actor) -> None:
            await passkeys.remove(actor, id_of(self.passkey.id), None)

        return await self._do(remove, "The passkey no longer works")

    @event
    @acts
    async def unlink(self) -> Any:
        async def unlink(actor: Actor) -> None:
            await identities.unlink(actor, id_of(self.identity.id))

        return await self._do(unlink, f"{self.identity.name} is unlinked")

    @event
    @acts
    async def end_session(self) -> Any:
        actor = await actor_of(self)
        await active.end_session(actor, id_of(self.session.id))
        self._forget()
        await self._read(await actor_of(self))
        return rx.toast.success("The session has ended")

    @event
    @acts
    async def end_everything(self) -> Any:
        await active.end_everything(await actor_of(self))
        self._forget()
        return rx.redirect("/login")
