"""One run: its graph, its steps over time, each step in full, and its log."""

import reflex as rx

from agentflow_app.ui.canvas.flow import FlowViewer
from agentflow_app.ui.components.button import button, link_button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.json_view import json_view
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import failure_state, skeleton
from agentflow_app.ui.components.status import demo_badge, status_badge
from agentflow_app.ui.components.table import length
from agentflow_app.ui.executions.again import Again, replay_button, replay_dialog, settling
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.parts import log_list, rest, step_panel, waiting_note, waterfall
from agentflow_app.ui.executions.state import Run
from agentflow_app.ui.shell import Shell, shell


def _header() -> rx.Component:
    run = Live.run
    return rx.el.header(
        rx.el.div(
            rx.el.div(
                rx.link("Runs", href="/runs", class_name="text-base text-gray-11"),
                icon("chevron-right", size=14, class_name="text-gray-9"),
                rx.link(run.agent_name, href="/agents/" + run.agent_id, class_name="text-base text-gray-11"),
                class_name="flex items-center gap-1",
            ),
            rx.el.div(
                rx.el.h1(run.agent_name, class_name="text-xl font-semibold text-gray-12 truncate"),
                status_badge(status=run.status),
                rx.cond(run.dry_run, rx.el.span("Test", class_name="text-sm text-gray-11")),
                rx.cond(run.demo, demo_badge()),
                class_name="mt-1 flex flex-wrap items-center gap-2",
            ),
            rx.el.div(
                rx.el.span(run.version),
                rx.el.span(run.trigger),
                relative_time(value=run.started),
                rx.cond(run.duration, rx.el.span(run.duration)),
                rx.cond(run.tokens, rx.el.span(run.tokens)),
                rx.cond(run.cost, rx.el.span(run.cost)),
                rx.cond(
                    run.replay_of,
                    rx.fragment(
                        rx.link(
                            "Replay of another run", href="/runs/" + run.replay_of, class_name="text-base"
                        ),
                        rx.link(
                            "Compare with the original",
                            href="/runs/" + run.replay_of + "/compare/" + run.id,
                            class_name="text-base",
                        ),
                    ),
                ),
                rx.cond(
                    run.parent_id,
                    rx.link("Called by another run", href="/runs/" + run.parent_id, class_name="text-base"),
                ),
                waiting_note(),
                class_name="mt-1 flex flex-wrap gap-x-4 gap-y-1 text-base text-gray-11 tabular-nums",
            ),
            class_name="min-w-0",
        ),
        rx.el.div(
            rx.cond(
                ~run.ended & Shell.can_write,
                button("Cancel run", icon_name="circle-slash", on_click=Live.cancel),
            ),
            rx.cond(
                run.resumable & Shell.can_write,
                button("Resume", icon_name="play", on_click=Again.resume),
            ),
            link_button("Open agent", "/agents/" + run.agent_id, icon_name="workflow"),
            rx.cond(
                run.ended & ~run.dry_run & Shell.can_write,
                button("Run again", kind="primary", icon_name="rotate-cw", on_click=Run.run_again),
            ),
            class_name="flex flex-wrap gap-2",
        ),
        class_name="flex flex-wrap items-start justify-between gap-4 mb-4",
    )


def _graph() -> rx.Component:
    return card(
        FlowViewer.create(
            definition=Live.definition,
            statuses=Live.statuses,
            selected=Live.detail.node_id,
            on_select=Live.select_node,
        ),
        class_name="h-[300px] overflow-hidden",
        custom_attrs={"aria-label": "The run's graph"},
    )


def _titled(title: str, body: rx.Component) -> rx.Component:
    return card(
        rx.el.h2(title, class_name="px-4 py-2.5 text-md font-semibold text-gray-12 border-b border-gray-a4"),
        body,
        class_name="overflow-hidden min-w-0",
    )


def _not_begun() -> rx.Component:
    return rx.el.p("It waits for a worker to begin.", class_name="p-4 text-base text-gray-11", role="status")


def _loading() -> rx.Component:
    return rx.el.div(
        skeleton("h-7 w-64"),
        skeleton("h-4 w-80 mt-2"),
        skeleton("h-[300px] w-full mt-5"),
        rx.el.div(
            skeleton("h-64 w-full"), skeleton("h-64 w-full"), class_name="grid lg:grid-cols-2 gap-4 mt-4"
        ),
        role="status",
        custom_attrs={"aria-label": "Loading"},
    )


def run_page() -> rx.Component:
    content = rx.fragment(
        _header(),
        rx.cond(
            Live.run.error,
            rx.el.div(
                icon("circle-x", size=16, class_name="mt-0.5"),
                Live.run.error,
                role="alert",
                class_name="flex gap-2 mb-4 px-4 py-3 rounded-lg bg-red-a3 text-base text-red-11 break-words",
            ),
        ),
        _graph(),
        rx.el.div(
            _titled("Steps", rx.cond(length(Live.steps) > 0, waterfall(), _not_begun())),
            card(
                settling(),
                step_panel(),
                rx.el.div(replay_button(), class_name="px-4 pb-4"),
                class_name="min-w-0 overflow-hidden",
            ),
            class_name="grid lg:grid-cols-2 gap-4 mt-4 items-start",
        ),
        rx.el.div(
            rx.cond(
                Live.data.has_output,
                _titled(
                    "Output",
                    rx.el.div(
                        json_view(value=Live.data.output, label="Output"),
                        rest(Live.data.part_of_output, "result", "run's output"),
                        class_name="p-4",
                    ),
                ),
            ),
            _titled(
                "Trigger data",
                rx.el.div(
                    json_view(value=Live.data.trigger, label="Trigger data"),
                    rest(Live.data.part_of_trigger, "trigger", "trigger data"),
                    class_name="p-4",
                ),
            ),
            _titled("Log", log_list()),
            class_name="flex flex-col gap-4 mt-4",
        ),
        replay_dialog(),
    )
    return shell(
        rx.cond(
            Run.failure.status > 0,
            failure_state(Run.failure, Run.load),
            rx.cond(Run.loading | ~rx.State.is_hydrated, _loading(), content),
        ),
        active="/runs",
    )
