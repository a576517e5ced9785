"""What this installation is known as at Google and GitHub, where the operator has set a client up."""

from agentflow_app.core.settings import settings
from agentflow_app.sso.provider import Client

GOOGLE = "https://accounts.google.com"
LABELS = {"google": "Google", "github": "GitHub"}


def clients() -> dict[str, Client]:
    now = settings()
    given = {
        "google": Client(GOOGLE, now.google_client_id, now.google_client_secret.get_secret_value()),
        "github": Client(now.github_url, now.github_client_id, now.github_client_secret.get_secret_value()),
    }
    return {name: client for name, client in given.items() if client.client_id}


def offered() -> list[str]:
    """The providers that the operator has set up."""
    return list(clients())
