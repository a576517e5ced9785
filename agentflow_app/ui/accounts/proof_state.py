"""Asks who is logged in to prove that it is them, before what a thief of the session must not do."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from agentflow_app.accounts import proving
from agentflow_app.accounts.schemas import ProofGiven, ProofProvider
from agentflow_app.core.errors import AppError
from agentflow_app.core.tenancy import Actor
from agentflow_app.ui.forms import problem, read_form
from agentflow_app.ui.session import actor_of, acts, event

PROBLEMS = {
    "SSO_SOMEBODY_ELSE": "You signed in there as somebody else. Use the account that is linked to this one.",
    "SSO_NOT_FRESH": "Your provider did not ask you to sign in again. Confirm that it is you another way.",
    "SSO_DENIED": "Your provider did not let you in.",
    "RATE_LIMITED": "Too many attempts. Wait a moment before the next one.",
}


@dataclass
class ProofLink:
    """To a provider that knows the person, and back to the question."""

    label: str = ""
    href: str = ""


class Proving(rx.State, mixin=True):
    """For a page with questions that need a proof: `_ask_for_proof` first, `_go_on` once it is given."""

    proving: bool = False
    proof_error: str = ""
    proof_password: bool = False
    proof_code: bool = False
    proof_passkey: bool = False
    proof_links: list[ProofLink] = []
    proof_asked: dict[str, Any] = {}
    _question: str = ""
    _target: str = ""

    async def _go_on(self, actor: Actor, question: str, target: str) -> Any:
        raise NotImplementedError

    async def _ask_for_proof(self, actor: Actor, question: str, target: str, error: str = "") -> None:
        """Goes on at once where the session is believed already."""
        found = await proving.look(actor)
        if found.proved_until is not None:
            self._end_proof()
            await self._go_on(actor, question, target)
            return
        self.proof_password, self.proof_code, self.proof_passkey = found.password, found.totp, found.passkey
        way = f"{self.router.url.path}?{urlencode({'ask': question, 'target': target})}"
        self.proof_links = [_link(each, way) for each in found.providers]
        self._question, self._target = question, target
        self.proving, self.proof_error, self.proof_asked = True, error, {}

    async def _resume(self, actor: Actor, questions: tuple[str, ...]) -> Any:
        """Back from a provider: the question that set out for it is in the address, and leaves it."""
        given = self.router.url.query_parameters
        question, code = given.get("ask", ""), given.get("problem", "")
        if question not in questions:
            return None
        error = PROBLEMS.get(code, "That did not work. Try again.") if code else ""
        await self._ask_for_proof(actor, question, given.get("target", ""), error)
        return rx.call_script("history.replaceState(null, '', location.pathname)")

    def _end_proof(self) -> None:
        self.proving, self.proof_error, self.proof_asked = False, "", {}

    async def _take(self, given: ProofGiven) -> None:
        actor = await actor_of(self)
        try:
            await proving.prove(actor, given)
        except AppError as error:
            self.proof_error, self.proof_asked = problem(error), {}
            return
        self._end_proof()
        await self._go_on(actor, self._question, self._target)

    @event
    async def set_proving(self, is_open: bool) -> None:
        if not is_open:
            self._end_proof()

    @event
    @acts
    async def prove(self, form: dict[str, Any]) -> None:
        """By the password or the app's code."""
        named = form if isinstance(form, dict) else {}
        given = {name: named[name] for name in ("password", "code") if named.get(name)}
        try:
            data = read_form(ProofGiven, given)
        except AppError as error:
            await actor_of(self)
            self.proof_error = problem(error)
            return
        await self._take(data)

    @event
    @acts
    async def begin_passkey_proof(self) -> None:
        actor = await actor_of(self)
        self.proof_error = ""
        self.proof_asked = (await proving.begin_passkey(actor)).model_dump()

    @event
    @acts
    async def finish_passkey_proof(self, credential: dict[str, Any]) -> None:
        await actor_of(self)
        challenge = self.proof_asked.get("challenge", "-")
        await self._take(read_form(ProofGiven, {"challenge": challenge, "credential": credential}))

    @event
    async def fail_passkey_proof(self, message: str) -> None:
        self.proof_error, self.proof_asked = str(message)[:200], {}


def _link(provider: ProofProvider, way: str) -> ProofLink:
    whose = (
        {"connection": str(provider.connection_id)} if provider.connection_id else {"provider": provider.kind}
    )
    query = urlencode({"prove": "true", **whose, "next": way})
    return ProofLink(f"Sign in at {provider.name} again", f"/api/v1/auth/sso/start?{query}")
