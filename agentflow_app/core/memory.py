"""How often a process looks for garbage in circles."""

import gc

_YOUNG = 20_000
"""Objects more than before, after which the young ones are looked at: what a few dozen requests leave."""


def settle() -> None:
    """Once all is loaded: what is there stays, so it is never looked at again, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
