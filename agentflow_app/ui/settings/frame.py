"""The frame of the settings: which sections there are, beside what one of them shows."""

from dataclasses import dataclass
from typing import Any, Final

import reflex as rx

from agentflow_app.core.tenancy import Permission
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.shell import Shell, shell


@dataclass(frozen=True, slots=True)
class Section:
    """`needs` only decides whether the link is shown; the page's services decide what may be done."""

    label: str
    href: str
    needs: Permission | None = None


SECTIONS: Final[tuple[tuple[str, tuple[Section, ...]], ...]] = (
    (
        "Organization",
        (
            Section("General", "/settings/organization"),
            Section("Members", "/settings/members"),
            Section("Roles", "/settings/roles"),
            Section("Teams", "/settings/teams"),
            Section("API keys", "/settings/api-keys", needs="api_keys:read"),
            Section("Secrets & variables", "/settings/secrets"),
            Section("Credentials", "/settings/credentials", needs="credentials:read"),
            Section("Single sign-on", "/settings/sso", needs="sso:read"),
            Section("Audit log", "/settings/audit", needs="audit:read"),
            Section("Data & privacy", "/settings/privacy"),
            Section("Danger zone", "/settings/danger"),
        ),
    ),
    (
        "You",
        (
            Section("Profile", "/settings/profile"),
            Section("Security", "/settings/security"),
        ),
    ),
)


def _option(to: Section, active: str) -> rx.Component:
    """The one that is open is there at once: a select cannot show what is added to it later."""
    option = rx.el.option(to.label, value=to.href)
    return option if to.href == active else _may_see(to, option)


def _may_see(to: Section, shown: rx.Component) -> rx.Component:
    held = rx.Var.create(Shell.permissions).to(list)
    return rx.cond(held.contains(to.needs), shown) if to.needs else shown


def _link(to: Section, active: str) -> rx.Component:
    current = to.href == active
    look = "bg-gray-a4 text-gray-12 font-medium" if current else "text-gray-11 hover:bg-gray-a3"
    link = rx.link(
        to.label,
        href=to.href,
        underline="none",
        class_name=f"flex items-center h-8 px-2 rounded-md text-base whitespace-nowrap {look}",
        custom_attrs={"aria-current": "page" if current else "false"},
    )
    return _may_see(to, link)


def _group(label: str, sections: tuple[Section, ...], active: str) -> rx.Component:
    return rx.el.div(
        rx.el.div(label, class_name="px-2 pb-1 text-sm font-medium text-gray-11"),
        rx.el.div(*[_link(to, active) for to in sections], class_name="flex flex-col gap-0.5"),
    )


def _picker(active: str) -> rx.Component:
    """The sections on a phone, where a row of them would hide most."""
    return rx.el.select(
        *[
            rx.el.optgroup(*[_option(to, active) for to in sections], label=label)
            for label, sections in SECTIONS
        ],
        value=active,
        on_change=lambda href: rx.redirect(href),
        class_name="md:hidden af-field h-9 w-full px-2.5 rounded-md text-base text-gray-12",
        custom_attrs={"aria-label": "Settings section"},
    )


def settings_page(
    title: str, *children: Any, active: str, subtitle: Any = None, actions: tuple[rx.Component, ...] = ()
) -> rx.Component:
    """One section of the settings, beside all of them."""
    return shell(
        rx.el.div(
            rx.el.nav(
                *[_group(label, sections, active) for label, sections in SECTIONS],
                class_name="hidden md:flex flex-col gap-5 w-44 shrink-0 sticky top-6 self-start",
                custom_attrs={"aria-label": "Settings"},
            ),
            _picker(active),
            rx.el.div(
                page_header(title, *actions, subtitle=subtitle),
                rx.el.div(*children, class_name="flex flex-col gap-6"),
                class_name="flex-1 min-w-0 max-w-3xl",
            ),
            class_name="flex flex-col md:flex-row gap-4 md:gap-10",
        ),
        active="/settings",
    )
