"""What stops a start, in one line for whoever typed the command."""


class StartupError(Exception):
    """Its message is the whole report: what is wrong and how to mend it. Printed without a traceback, exit 1."""
