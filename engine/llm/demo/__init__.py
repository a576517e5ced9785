"""A model that needs no key: it answers by plain text statistics, the same each time, and says so."""

NAME = "demo"
"""The name of the provider and of its one model."""
