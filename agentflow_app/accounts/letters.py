"""What AgentFlow writes to people about their accounts: short, plain, nothing to click but the link."""

from agentflow_app.accounts.links import reset_link, verify_link
from agentflow_app.core.database import Transaction
from agentflow_app.mail.service import send

_UNASKED = "If you did not ask for this, ignore this letter: nothing changes."


async def send_reset(tx: Transaction, to: str, secret: str) -> None:
    text = f"""Choose a new password for AgentFlow:

{reset_link(secret)}

The link works once, for one hour. {_UNASKED}
"""
    await send(tx, to=to, subject="Reset your AgentFlow password", text=text)


async def send_verification(tx: Transaction, to: str, secret: str) -> None:
    text = f"""Confirm that this address is yours:

{verify_link(secret)}

The link works once, for three days. {_UNASKED}
"""
    await send(tx, to=to, subject="Confirm your e-mail address", text=text)


async def send_address_change(tx: Transaction, to: str, secret: str, *, withheld: bool) -> None:
    text = f"""Confirm that you want to log in to AgentFlow with this address from now on:

{verify_link(secret)}

The link works once, for 24 hours. {_UNASKED}
"""
    await send(tx, to=to, subject="Confirm your new e-mail address", text=text, withheld=withheld)


async def send_notice(tx: Transaction, to: str, what: str) -> None:
    """Tells the owner of an account what was done to it; `what` is a sentence without its full stop."""
    text = f"""{what}.

If this was not you, reset your password at once and look at your sessions under Settings, Security.
"""
    await send(tx, to=to, subject="Your AgentFlow account was changed", text=text)
