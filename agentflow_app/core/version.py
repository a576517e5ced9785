"""The version of this code."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("agentflow")
except PackageNotFoundError:  # run from a checkout that was not installed
    VERSION = "0.0.0"
