"""The web composition root: the pages, with the REST API on the same port."""

import logging

import reflex as rx
from reflex.event import EventSpec
from reflex.utils.imports import ImportDict

from agentflow_app.api import create_api
from agentflow_app.ui.offline import offline_notice
from agentflow_app.ui.ownership import Ownership
from agentflow_app.ui.pages import add_pages

logger = logging.getLogger(__name__)


def _page_event_failed(exception: Exception) -> EventSpec:
    logger.error("A page event failed", exc_info=exception)
    return rx.toast.error("Something went wrong. Reload the page and try again.")


class Fonts(rx.Fragment):  # type: ignore[misc]  # typed Any by Reflex
    """Brings the typeface along with the app: nothing is fetched from elsewhere."""

    lib_dependencies: list[str] = ["@fontsource-variable/inter@5.3.0"]

    def add_imports(self) -> ImportDict:
        return {"": "@fontsource-variable/inter/index.css"}


app = rx.App(
    api_transformer=create_api(),
    stylesheets=["/agentflow.css"],
    html_lang="en",
    head_components=[rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml")],
    extra_app_wraps={(90, "Fonts"): lambda _stateful: Fonts.create()},
    backend_exception_handler=_page_event_failed,
)
# In the place of Reflex' own, which speaks of sockets and addresses.
app.app_wraps[5, "Overlay"] = lambda stateful: rx.fragment(offline_notice()) if stateful else None
app.add_middleware(Ownership())
add_pages(app)
