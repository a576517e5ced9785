"""A local server that speaks the wire formats of OpenAI and Anthropic, and can fail in all their ways.

In a test: `with ModelServer() as server:` and `server.openai_url` or `server.anthropic_url` as base URL.
For people and browser tests: `python -m tests.model_server --port 9100`. How it behaves is chosen by what
the model's name ends with, `gpt-4.1-mini--rate-limited` say; see behaviours.py.
"""

from tests.model_server.behaviours import BEHAVIOURS
from tests.model_server.server import BAD_KEY, ModelServer, Recorded

__all__ = ["BAD_KEY", "BEHAVIOURS", "ModelServer", "Recorded"]
