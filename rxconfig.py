"""What Reflex must know at compile time and at run time. Addresses are settled by the page: core/frontend."""

import reflex as rx

from agentflow_app.core.settings import settings
from agentflow_app.ui.theme import ACCENT, GRAY, TAILWIND, RadixThemes

config = rx.Config(
    app_name="agentflow_app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    frontend_compression_formats=["gzip"],
    # A tab's state is a cache that a reload rebuilds, and its socket stays with one process.
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    # An empty list would switch the sockets' origin check off.
    cors_allowed_origins=settings().origins or ["https://no-other-origin.invalid"],
    plugins=[
        RadixThemes(theme=rx.theme(accent_color=ACCENT, gray_color=GRAY, radius="medium")),
        rx.plugins.TailwindV4Plugin(TAILWIND),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
