"""What stops a start, in one line for whoever typed the command."""

FAILURE_PREFIX = "agentflow: "
"""How such a report begins on standard error, so that a supervisor finds it in a child's log."""


class StartupError(Exception):
    """Its message is the whole report: what is wrong and how to mend it. Printed alone, exit code 1."""
