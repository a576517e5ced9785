"""Graphs that use every kind of control between them, and call a sink that counts what reaches it.

What each comes to depends on neither the time nor the order of its branches, so that a run that was disturbed
can be held against one that was not. But for `AT_LARGE`: what the step says itself may depend on them.
"""

from collections.abc import Callable

from engine import Definition
from tests.engine.graphs import fetch, graph, node, put, write

AT_LARGE = frozenset({"first", "nap", "rest"})
QUICK = {"max_retries": 6, "backoff_base": 0.2, "backoff_max": 1.0}
"""Of steps that are tried again."""

Made = Callable[[str, float], Definition]
"""From the address of the sink, and the seconds of a delay that is long enough to park."""


def branches(url: str, nap: float) -> Definition:
    """Three effects at the same time, one after a delay, and what joins them."""
    return graph(
        node("start", "trigger.manual"),
        fetch("a", f"{url}/ok/a", {"body": {"n": "{{ trigger.data.n }}"}}),
        fetch("b", f"{url}/ok/b"),
        fetch("c", f"{url}/ok/c"),
        node("rest", "logic.delay", {"seconds": 0.1}),
        put("d"),
        node("all", "logic.merge"),
        write("end", "{{ node_a.output.body.path }} {{ node_b.output.status }} {{ node_c.output.status }}"),
        *("start>a", "start>b", "start>rest", "rest>c", "start>d"),
        *("a>all", "b>all", "c>all", "d>all", "all>end"),
    )


def decisions(url: str, nap: float) -> Definition:
    """A condition, a switch, an edge that is guarded, and the first of two ways."""
    guarded = {"id": "g", "source": "kind", "target": "both", "source_handle": "b", "condition": "true"}
    shut = {"id": "s", "source": "kind", "target": "never", "source_handle": "b", "condition": "false"}
    return graph(
        node("start", "trigger.manual"),
        node("sure", "logic.if_else", {"condition": "trigger.data.n >= 0"}),
        fetch("yes", f"{url}/ok/yes"),
        fetch("no", f"{url}/ok/no"),
        node("kind", "logic.switch", {"value": "b", "cases": ["a", "b"]}),
        fetch("both", f"{url}/ok/both"),
        fetch("never", f"{url}/ok/never"),
        node("rest", "logic.delay", {"seconds": 0.1}),
        node("first", "logic.merge", {"mode": "any"}),
        write("end", "{{ node_yes.output.body.path }} and a way"),
        *("start>sure", "sure:true>yes", "sure:false>no", "yes>kind", "kind:a>never", guarded, shut),
        *("yes>rest", "both>first", "rest>first", "no>first", "first>end"),
    )


def rounds(url: str, nap: float) -> Definition:
    """A loop in a loop, two items at once, an effect in each round, and a loop with a condition."""
    return graph(
        node("start", "trigger.manual"),
        node("outer", "logic.loop", {"items": [[1, 2], [3]], "max_concurrency": 2}),
        node("inner", "logic.loop", {"items": "{{ item }}"}),
        fetch("each", f"{url}/ok/each", {"body": {"item": "{{ item }}"}}),
        node("again", "logic.loop", {"mode": "while", "condition": "loop.index0 < 2"}),
        fetch("round", f"{url}/ok/round"),
        write("end", "{{ node_outer.output.count }} {{ node_again.output.count }}"),
        *("start>outer", "outer:each>inner", "inner:each>each", "each>inner", "inner:done>outer"),
        *("outer:done>again", "again:each>round", "round>again", "again:done>end"),
    )


def waits(url: str, nap: float) -> Definition:
    """A timer, a person, a call from outside, with an effect after each."""
    return graph(
        node("start", "trigger.manual"),
        node("nap", "logic.delay", {"seconds": nap}),
        fetch("woken", f"{url}/ok/woken"),
        node("ask", "human.approval", {"message": "Go on?", "show": {"n": 1}, "editable": True}),
        fetch("allowed", f"{url}/ok/allowed"),
        fetch("denied", f"{url}/ok/denied"),
        node("call", "logic.wait_webhook"),
        fetch("called", f"{url}/ok/called", {"body": "{{ node_call.output.data }}"}),
        write("end", "{{ node_ask.output.decision }} {{ node_call.output.data.n }}"),
        *("start>nap", "nap>woken", "woken>ask", "ask:approved>allowed", "ask:rejected>denied"),
        *("allowed>call", "call>called", "called>end"),
    )


def troubles(url: str, nap: float) -> Definition:
    """What is tried again, what goes on along its error, and what goes on in spite of it."""
    return graph(
        node("start", "trigger.manual"),
        fetch("busy", f"{url}/busy/1", retry=QUICK),
        fetch("refused", f"{url}/refused/1", on_error="branch"),
        fetch("told", f"{url}/ok/told", {"body": "{{ node_refused.output.error.code }}"}),
        fetch("unheard", f"{url}/ok/unheard"),
        fetch("shrugged", f"{url}/refused/2", on_error="continue"),
        write("end", "{{ node_told.output.status }} {{ node_shrugged.output.error.code }}"),
        *("start>busy", "busy>refused", "refused:error>told", "refused:out>unheard", "told>shrugged"),
        "shrugged>end",
    )


def stops(url: str, nap: float) -> Definition:
    """An end before the end, on one way of two."""
    return graph(
        node("start", "trigger.manual"),
        fetch("paid", f"{url}/ok/paid"),
        node("enough", "logic.if_else", {"condition": "node_paid.output.status == 200"}),
        node("stop", "logic.stop", {"status": "completed", "message": "enough"}),
        fetch("never", f"{url}/ok/never"),
        put("later"),
        *("start>paid", "paid>enough", "enough:true>stop", "enough:false>never", "stop>later"),
    )


def breaks(url: str, nap: float) -> Definition:
    """A failure that ends the run, after an effect and beside what still waits."""
    return graph(
        node("start", "trigger.manual"),
        fetch("paid", f"{url}/ok/paid"),
        fetch("refused", f"{url}/refused/1"),
        put("never"),
        node("ask", "human.approval", {"message": "Go on?"}),
        *("start>ask", "start>paid", "paid>refused", "refused>never"),
    )


def careful(url: str, nap: float) -> Definition:
    """An effect that must not happen twice."""
    return graph(
        node("start", "trigger.manual"),
        fetch("before", f"{url}/ok/before"),
        fetch("pay", f"{url}/ok/pay", repeat="never"),
        write("end", "paid"),
        *("start>before", "before>pay", "pay>end"),
    )


MIXED: dict[str, Made] = {
    made.__name__: made for made in (branches, decisions, rounds, waits, troubles, stops, breaks, careful)
}
