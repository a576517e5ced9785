"""What the terminal shows: phases that rewrite themselves, or plain lines where there is no terminal."""

import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

_MARKS = {"waiting": "·", "running": "▸", "done": "✓", "failed": "✗"}


@dataclass
class _Phase:
    label: str
    state: str = "waiting"
    note: str = ""
    began: float = 0.0
    seconds: float = 0.0


@dataclass
class Screen:
    """Phases in the order in which they were announced, then lines."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    _phases: dict[str, _Phase] = field(default_factory=dict)
    _drawn: int = 0

    def announce(self, **labels: str) -> None:
        self._phases = {name: _Phase(label) for name, label in labels.items()}
        self._draw()

    def begin(self, name: str, note: str = "") -> None:
        phase = self._phases[name]
        phase.state, phase.note, phase.began = "running", note, time.monotonic()
        self._show(phase)

    def note(self, name: str, note: str) -> None:
        phase = self._phases[name]
        if phase.note != note:
            phase.note = note
            self._show(phase)

    def done(self, name: str, note: str = "") -> None:
        self._end(name, "done", note)

    def failed(self, name: str) -> None:
        self._end(name, "failed", self._phases[name].note)

    def fail_running(self) -> None:
        for name, phase in self._phases.items():
            if phase.state == "running":
                self.failed(name)

    def line(self, text: str = "") -> None:
        """A line below everything so far; the phases above it stay as they are."""
        self._drawn = 0
        self._write(text + "\n")

    def _end(self, name: str, state: str, note: str) -> None:
        phase = self._phases[name]
        phase.seconds = time.monotonic() - phase.began
        phase.state, phase.note = state, note
        self._show(phase)

    def _show(self, phase: _Phase) -> None:
        if self.out.isatty():
            self._draw()
        else:
            self._write(self._text(phase) + "\n")

    def _draw(self) -> None:
        if not self.out.isatty():
            return
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        width = shutil.get_terminal_size().columns - 1  # a wrapped line would be drawn over its neighbours
        lines = (self._text(phase)[:width] for phase in self._phases.values())
        self._write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._drawn = len(self._phases)

    def _text(self, phase: _Phase) -> str:
        took = f"{phase.seconds:5.1f} s" if phase.state in ("done", "failed") else ""
        return f"  {_MARKS[phase.state]} {phase.label:<12} {took:>7}  {phase.note}".rstrip()

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()
