"""Settings → Organization."""

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.field import TEXTAREA, form_error, labelled, text_input
from agentflow_app.ui.components.states import failure_state, skeleton_rows
from agentflow_app.ui.organizations.general_state import General
from agentflow_app.ui.settings.frame import settings_page


def _form() -> rx.Component:
    locked = ~General.editable
    return card(
        rx.el.form(
            labelled(
                "Name",
                text_input(
                    "org-name", name="name", default_value=General.name, max_length=255, disabled=locked
                ),
                field_id="org-name",
            ),
            labelled(
                "Short name",
                text_input(
                    "org-slug", name="slug", default_value=General.slug, max_length=80, disabled=locked
                ),
                field_id="org-slug",
                help_text="Lower-case letters, digits and hyphens; of this organization alone.",
            ),
            labelled(
                "Invitations only to these domains",
                rx.el.textarea(
                    id="org-domains",
                    name="domains",
                    default_value=General.domains,
                    rows=3,
                    placeholder="example.com",
                    spell_check=False,
                    disabled=locked,
                    class_name=TEXTAREA,
                    custom_attrs={"aria-describedby": "org-domains-note"},
                ),
                field_id="org-domains",
                help_text="One on each line. Empty: members may be invited at any address.",
            ),
            rx.el.label(
                rx.el.input(
                    type="checkbox",
                    name="require_second_factor",
                    value="on",
                    default_checked=General.require_second_factor,
                    disabled=locked,
                    class_name="w-4 h-4 shrink-0",
                ),
                "Members must have a second factor",
                class_name="flex items-center gap-2 text-base text-gray-12",
            ),
            form_error(General.error),
            rx.el.div(
                rx.el.div(
                    "Id ",
                    rx.el.code(General.org_id, class_name="font-mono select-all break-all"),
                    class_name="text-sm text-gray-11 min-w-0",
                ),
                rx.cond(General.editable, button("Save", kind="primary", type="submit")),
                class_name="flex items-center justify-between gap-4",
            ),
            on_submit=General.save,
            key=General.org_id,
            class_name="flex flex-col gap-4 p-4",
        )
    )


def general_page() -> rx.Component:
    return settings_page(
        "Organization",
        rx.cond(
            General.failure.status > 0,
            failure_state(General.failure, General.load),
            rx.cond(General.loading, card(skeleton_rows(4)), _form()),
        ),
        active="/settings/organization",
    )
