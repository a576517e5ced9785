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
            Section("Audit log", "/settings/audit", needs="audit:read"),
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
    held = rx.Var.create(Shell.permissions).to(list)
    return rx.cond(held.contains(to.needs), link) if to.needs else link


def _group(label: str, sections: tuple[Section, ...], active: str) -> rx.Component:
    return rx.el.div(
        rx.el.div(label, class_name="hidden md:block px-2 pb-1 text-sm font-medium text-gray-11"),
        rx.el.div(*[_link(to, active) for to in sections], class_name="flex md:flex-col gap-0.5"),
        class_name="flex md:block",
    )


def settings_page(
    title: str, *children: Any, active: str, subtitle: Any = None, actions: tuple[rx.Component, ...] = ()
) -> rx.Component:
    """One section of the settings. On a phone the sections are a row above it that scrolls sideways."""
    return shell(
        rx.el.div(
            rx.el.nav(
                *[_group(label, sections, active) for label, sections in SECTIONS if sections],
                class_name=(
                    "flex md:flex-col gap-0.5 md:gap-5 md:w-44 shrink-0 overflow-x-auto "
                    "-mx-4 px-4 md:mx-0 md:px-0 md:sticky md:top-6 md:self-start"
                ),
                custom_attrs={"aria-label": "Settings"},
            ),
            rx.el.div(
                page_header(title, *actions, subtitle=subtitle),
                rx.el.div(*children, class_name="flex flex-col gap-6"),
                class_name="flex-1 min-w-0 max-w-3xl",
            ),
            class_name="flex flex-col md:flex-row gap-4 md:gap-10",
        ),
        active="/settings",
    )
