"""The builder: palette, canvas, inspector and run drawer around one draft."""

import reflex as rx

from agentflow_app.ui.builder.agent_settings import settings_dialog
from agentflow_app.ui.builder.dialogs import conflict_dialog, publish_dialog
from agentflow_app.ui.builder.drawer import run_drawer
from agentflow_app.ui.builder.inspector import inspector
from agentflow_app.ui.builder.palette import add_button, palette
from agentflow_app.ui.builder.state import Builder
from agentflow_app.ui.builder.topbar import top_bar
from agentflow_app.ui.canvas.binding import store
from agentflow_app.ui.canvas.flow import FlowEditor
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.states import failure_state, skeleton
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.shell import shell


def _hint() -> rx.Component:
    status = store("status")
    return rx.cond(
        (status["nodes"].to(int) == 0) & (status["saved"] != "loading"),
        rx.el.div(
            icon("mouse-pointer-click", size=20),
            rx.el.p("Start with a trigger", class_name="mt-2 text-md font-semibold text-gray-12"),
            rx.el.p(
                "Click a node on the left, or drag it here.",
                class_name="hidden md:block text-base text-gray-11",
            ),
            class_name=(
                "absolute inset-0 z-10 flex flex-col items-center justify-center text-gray-11 "
                "pointer-events-none"
            ),
        ),
    )


def _canvas() -> rx.Component:
    return rx.el.div(
        FlowEditor.create(
            draft=Builder.draft,
            ready=rx.State.is_hydrated,
            sample=Builder.sample,
            ack=Builder.ack,
            problems=Builder.problems,
            statuses=Live.statuses,
            on_save=Builder.save,
        ),
        _hint(),
        add_button(),
        rx.cond(
            Builder.loading | ~rx.State.is_hydrated,
            rx.el.div(skeleton("w-full h-full"), class_name="absolute inset-0 z-10 bg-page"),
        ),
        class_name="relative flex-1 min-h-0 min-w-0",
    )


def builder_page() -> rx.Component:
    return rx.cond(
        Builder.failure.status > 0,
        shell(
            failure_state(Builder.failure, Builder.load),
            active="/agents",
        ),
        rx.el.div(
            top_bar(),
            rx.el.main(
                palette(),
                rx.el.div(_canvas(), run_drawer(), class_name="flex flex-col flex-1 min-w-0 min-h-0"),
                inspector(),
                id="main",
                class_name="flex flex-1 min-h-0",
            ),
            publish_dialog(),
            conflict_dialog(),
            settings_dialog(),
            class_name="flex flex-col h-screen overflow-hidden bg-page text-gray-12",
        ),
    )
