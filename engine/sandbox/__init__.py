"""Runs people's Python far from us: an interpreter without a world, in a process that is thrown away."""

from engine.sandbox.limits import CodeLimits
from engine.sandbox.process import ProcessSandbox

__all__ = ["CodeLimits", "ProcessSandbox"]
