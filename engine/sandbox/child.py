"""The process that runs one piece of code: a request on its input, an answer on its output, and it ends.

Started as a script, isolated (`-I -S`) and with an empty environment, so it imports nothing of ours. The code
itself runs in yet another process, the interpreter's, which can do nothing but compute; this one speaks with
it, so that what it sends is never read by a process that matters.

child.py SITE_PACKAGES INTERPRETER LIMITS
"""

import contextlib
import json
import math
import os
import resource
import sys
from pathlib import Path
from typing import Any

ADDRESS_SPACE = 512 << 20
"""Bytes that either process may map beside what the code may use."""
OPEN_FILES = 64
MOST_FRAMES = 20
MOST_LEVELS = 100
"""Of nesting in the output, as everywhere in the engine (`engine.sizes`)."""
MOST_MESSAGE = 2000
_TIME_OVER = "feed time limit exceeded"
_MEMORY_OVER = ("memory limit exceeded", "exceeded its memory limit")


class NotJsonError(Exception):
    """The code came to something that cannot be handed on."""


class Printed:
    """The beginning of what is printed."""

    def __init__(self, most: int) -> None:
        self._room = most
        self._parts: list[str] = []
        self.cut = False

    def __call__(self, stream: str, text: str) -> None:
        self.cut = self.cut or len(text) > self._room
        if self._room > 0:
            self._parts.append(text[: self._room])
            self._room -= len(text)

    @property
    def text(self) -> str:
        return "".join(self._parts)


def main() -> None:
    site_packages, interpreter, given = sys.argv[1:]
    limits = json.loads(given)
    confine(limits)
    sys.path.append(site_packages)
    import pydantic_monty

    seconds = limits["seconds"] + 1
    with pydantic_monty.Monty(binary_path=interpreter, max_processes=1, request_timeout=seconds) as pool:
        with pool.checkout() as session:
            session.feed_run("None")
        seal_interpreter()
        asked = sys.stdin.buffer.read()
        if asked:
            sys.stdout.buffer.write(answer(pydantic_monty, pool, json.loads(asked), limits))
            sys.stdout.buffer.flush()


def confine(limits: dict[str, Any]) -> None:
    """For this process and those it starts, for good."""
    memory = limits["memory_bytes"] + ADDRESS_SPACE
    seconds = math.ceil(limits["seconds"]) + 2
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
    ):
        resource.setrlimit(what, (most, most))
    with contextlib.suppress(OSError):
        # Where memory runs out, the kernel is to take this process and no other.
        Path("/proc/self/oom_score_adj").write_text("1000")


def seal_interpreter() -> None:
    """The interpreter has what it needs: from now on it opens no file or socket and starts nothing."""
    if not hasattr(resource, "prlimit"):
        return
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            for pid in (task / "children").read_text().split():
                resource.prlimit(int(pid), resource.RLIMIT_NOFILE, (0, 0))
                resource.prlimit(int(pid), resource.RLIMIT_NPROC, (0, 0))


def answer(monty: Any, pool: Any, request: dict[str, Any], limits: dict[str, Any]) -> bytes:
    """`{printed, cut}` and `output`, or `failure`: `{kind, message, line, frames}`."""
    printed = Printed(limits["printed_chars"])
    output = "null"
    failure: dict[str, Any] | None = None
    try:
        output = json.dumps(plain(run(monty, pool, request, limits, printed), "The output"))
        if len(output) > limits["output_bytes"]:
            most = limits["output_bytes"]
            failure = limit(f"The output is larger than {most} bytes: {len(output)}")
    except NotJsonError as error:
        failure = {"kind": "error", "message": str(error)}
    except (RecursionError, ValueError) as error:
        failure = {"kind": "error", "message": f"The output cannot be handed on: {error}"}
    except MemoryError:
        failure = limit("The output takes too much memory")
    except monty.MontyCrashedError as error:
        failure = over_time(limits) if error.timed_out else {"kind": "crash"}
    except (monty.MontyRuntimeError, monty.MontySyntaxError) as error:
        failure = told(error, limits)
    except monty.MontyError as error:
        failure = {"kind": "error", "message": str(error)[:MOST_MESSAGE]}
    told_with = json.dumps({"printed": printed.text, "cut": printed.cut, "failure": failure})
    return f'{told_with[:-1]}, "output": {output if failure is None else "null"}}}'.encode()


def run(monty: Any, pool: Any, request: dict[str, Any], limits: dict[str, Any], printed: Printed) -> Any:
    """What the code comes to. It has no clock, and its chance is the same each time."""
    with pool.checkout(
        script_name="code",
        limits={
            "max_feed_duration_secs": limits["seconds"],
            "max_memory": limits["memory_bytes"],
            "max_suspensions": 1000,
        },
        os_policy={
            "datetime": "call_host",
            "sleep": "call_host",
            "random_start": {"seed": request["seed"]},
        },
    ) as session:
        return session.feed_run(
            request["code"], inputs={"inputs": request["inputs"]}, print_callback=printed, os=refused
        )


def refused(name: str, *args: Any, **kwargs: Any) -> Any:
    """Stands for everything outside: files, the environment, the clock."""
    raise PermissionError(f"{name} is not available to code")


def plain(value: Any, where: str, room: int = MOST_LEVELS) -> Any:
    """The value if it is JSON, tuples as lists. Raises NotJsonError saying where it is not."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJsonError(f"{where} is {value}, which JSON does not have; make it a number or text")
        return value
    if type(value) in (list, tuple, dict) and room == 0:
        raise NotJsonError(f"The output is nested deeper than {MOST_LEVELS} levels")
    if type(value) in (list, tuple):
        return [plain(each, f"{where}[{place}]", room - 1) for place, each in enumerate(value)]
    if type(value) is dict:
        for key in value:
            if not isinstance(key, str):
                raise NotJsonError(f"{where} has the key {str(key)[:50]}, which is no text; use str()")
        return {key: plain(each, f"{where}[{key[:50]!r}]", room - 1) for key, each in value.items()}
    kind = getattr(value, "name", None) if type(value).__name__ == "MontyClassProxy" else None
    name = str(kind or type(value).__name__)[:50]
    raise NotJsonError(f"{where} is of type {name}; make it text, a number, a list or a dict of these")


def told(error: Any, limits: dict[str, Any]) -> dict[str, Any]:
    """What went wrong in the code, and where."""
    message = readable(error.display(format="type-msg")[:MOST_MESSAGE])
    said = str(error)
    if _TIME_OVER in said:
        return over_time(limits)
    if any(each in said for each in _MEMORY_OVER):
        return limit(f"The code needs more memory than {limits['memory_bytes'] >> 20} MB")
    frames = [{"line": each.line, "in": each.function_name} for each in error.traceback()]
    line = frames[-1]["line"] if frames else None
    return {"kind": "error", "message": message, "line": line, "frames": frames[-MOST_FRAMES:]}


def readable(text: str) -> str:
    """Without what would steer a terminal or turn the text around."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)


def over_time(limits: dict[str, Any]) -> dict[str, Any]:
    return limit(f"The code took longer than {limits['seconds']:g} s")


def limit(message: str) -> dict[str, Any]:
    return {"kind": "limit", "message": message}


if __name__ == "__main__":
    main()
    # Nothing is left to tidy up, and the end should not take longer than the work.
    os._exit(0)
