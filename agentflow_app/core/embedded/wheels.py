"""Where the wheels that carry programs were installed."""

from importlib.util import find_spec
from pathlib import Path

from agentflow_app.core.startup import StartupError


def wheel_folder(package: str) -> Path:
    """The folder of `package`, without importing it: its import has effects that are not wanted here."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(f"The package {package} is not installed: make run installs everything.")
    return Path(spec.submodule_search_locations[0])
