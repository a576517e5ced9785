"""The frame around every page: navigation beside it (below it on a phone), and who is logged in."""

from dataclasses import dataclass
from typing import Any, Final

import reflex as rx

from agentflow_app.core.tenancy import Actor
from agentflow_app.ui.accounts.credentials import log_out
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.organizations.switcher import new_organization_dialog, switcher


@dataclass(frozen=True, slots=True)
class Destination:
    label: str
    href: str
    icon_name: str


DESTINATIONS: Final = (
    Destination("Home", "/", "house"),
    Destination("Agents", "/agents", "workflow"),
    Destination("Runs", "/runs", "activity"),
    Destination("Approvals", "/approvals", "user-round-check"),
    Destination("Schedules", "/schedules", "calendar-clock"),
    Destination("Settings", "/settings", "settings"),
)


class Shell(rx.State):
    """What the frame shows about the person. Only for display: no right is derived from it."""

    name: str = ""
    email: str = ""
    organization: str = ""
    role: str = ""
    waiting: int = 0
    can_write: bool = False
    permissions: list[str] = []
    operator: bool = False

    @rx.var
    def initials(self) -> str:
        return "".join(part[0] for part in self.name.split()[:2]).upper() or "?"

    def _show(self, actor: Actor) -> None:
        self.name, self.email = actor.name, actor.email
        self.organization, self.role = actor.org_name, actor.role
        self.can_write = actor.can("agents:write")
        self.operator = actor.operates
        self.permissions = sorted(actor.permissions)


def _waiting_count() -> rx.Component:
    return rx.cond(
        Shell.waiting > 0,
        rx.el.span(
            Shell.waiting,
            class_name=(
                "ml-auto min-w-5 h-5 px-1 rounded-full bg-amber-a4 text-amber-11 text-xs "
                "text-center tabular-nums"
            ),
            custom_attrs={"aria-label": "waiting for a decision"},
        ),
    )


def _nav_link(to: Destination, active: str) -> rx.Component:
    current = to.href == active
    look = (
        "bg-gray-a4 text-gray-12 font-medium"
        if current
        else "text-gray-11 hover:bg-gray-a3 hover:text-gray-12"
    )
    return rx.link(
        icon(to.icon_name, size=16),
        rx.el.span(to.label),
        _waiting_count() if to.href == "/approvals" else rx.fragment(),
        href=to.href,
        underline="none",
        class_name=f"flex items-center gap-2.5 h-8 px-2 rounded-md text-base transition-colors {look}",
        custom_attrs={"aria-current": "page" if current else "false"},
    )


def _tab(to: Destination, active: str) -> rx.Component:
    current = to.href == active
    return rx.link(
        icon(to.icon_name, size=20),
        rx.el.span(to.label, class_name="text-xs"),
        href=to.href,
        underline="none",
        class_name="flex flex-1 flex-col items-center justify-center gap-0.5 "
        + ("text-accent-11" if current else "text-gray-11"),
        custom_attrs={"aria-current": "page" if current else "false"},
    )


def _user_menu() -> rx.Component:
    return rx.menu.root(
        rx.menu.trigger(
            rx.el.button(
                rx.el.span(
                    Shell.initials,
                    custom_attrs={"aria-hidden": "true"},
                    class_name=(
                        "flex items-center justify-center w-6 h-6 rounded-full bg-accent-a4 text-accent-11 "
                        "text-2xs font-semibold shrink-0"
                    ),
                ),
                rx.el.span(Shell.name, class_name="truncate hidden md:inline"),
                rx.el.span("Your account", class_name="sr-only"),
                icon("chevrons-up-down", size=14, class_name="ml-auto text-gray-9 hidden md:inline"),
                type="button",
                class_name=(
                    "flex items-center gap-2 w-full h-9 px-2 rounded-md text-base text-gray-12 "
                    "hover:bg-gray-a3"
                ),
            )
        ),
        rx.menu.content(
            rx.el.div(
                rx.el.div(Shell.email, class_name="text-base text-gray-12 truncate"),
                rx.el.div(Shell.organization, " · ", Shell.role, class_name="text-sm text-gray-11"),
                class_name="px-3 py-1.5 max-w-64",
            ),
            rx.menu.separator(),
            rx.menu.item(
                rx.color_mode_cond(icon("moon", size=14), icon("sun", size=14)),
                rx.color_mode_cond("Dark theme", "Light theme"),
                on_click=rx.toggle_color_mode,
            ),
            rx.cond(
                Shell.operator,
                rx.menu.item(icon("server-cog", size=14), "Operator", on_click=rx.redirect("/operator")),
            ),
            rx.menu.item(icon("log-out", size=14), "Log out", on_click=log_out()),
            size="1",
            variant="soft",
        ),
        modal=False,
    )


def brand() -> rx.Component:
    return rx.el.span(
        icon("workflow", size=14),
        class_name="flex items-center justify-center w-6 h-6 rounded-md bg-accent-9 text-contrast shrink-0",
    )


def _sidebar(active: str) -> rx.Component:
    return rx.el.aside(
        rx.el.div(
            switcher(Shell.organization, brand()),
            class_name="flex items-center h-12",
        ),
        rx.el.nav(
            *[_nav_link(to, active) for to in DESTINATIONS],
            class_name="flex flex-col gap-0.5",
            custom_attrs={"aria-label": "Main"},
        ),
        rx.el.div(_user_menu(), class_name="mt-auto"),
        class_name=(
            "hidden md:flex flex-col w-56 shrink-0 h-screen sticky top-0 p-2 bg-gray-2 border-r "
            "border-gray-a4"
        ),
    )


def _phone_bars(active: str) -> tuple[rx.Component, rx.Component]:
    top = rx.el.div(
        rx.el.div(switcher(Shell.organization, brand()), class_name="min-w-0"),
        rx.el.div(_user_menu(), class_name="ml-auto shrink-0"),
        class_name=(
            "md:hidden sticky top-0 z-20 flex items-center gap-2 h-12 px-3 bg-gray-2 border-b border-gray-a4"
        ),
    )
    bottom = rx.el.nav(
        *[_tab(to, active) for to in DESTINATIONS],
        class_name="md:hidden fixed bottom-0 inset-x-0 z-20 flex h-14 bg-gray-2 border-t border-gray-a4",
        custom_attrs={"aria-label": "Main, below"},
    )
    return top, bottom


def shell(*children: Any, active: str) -> rx.Component:
    """A page in its frame: at most 1200 px of content, scrolling as one."""
    top, bottom = _phone_bars(active)
    return rx.el.div(
        rx.el.a(
            "Skip to content",
            href="#main",
            class_name="sr-only focus:not-sr-only focus:absolute focus:p-2 z-50",
        ),
        _sidebar(active),
        rx.el.div(
            top,
            rx.el.main(
                rx.el.div(*children, class_name="max-w-[1200px] mx-auto px-4 md:px-8 py-6 pb-20 md:pb-8"),
                id="main",
            ),
            bottom,
            class_name="flex-1 min-w-0",
        ),
        new_organization_dialog(),
        class_name="flex min-h-screen bg-page text-gray-12",
    )


def workbench(*children: Any, active: str) -> rx.Component:
    """A page that fills the window and scrolls within its panes."""
    top, bottom = _phone_bars(active)
    return rx.el.div(
        _sidebar(active),
        rx.el.div(
            top,
            rx.el.main(*children, id="main", class_name="flex-1 min-h-0 flex flex-col pb-14 md:pb-0"),
            bottom,
            class_name="flex-1 min-w-0 flex flex-col h-screen",
        ),
        new_organization_dialog(),
        class_name="flex h-screen overflow-hidden bg-page text-gray-12",
    )
