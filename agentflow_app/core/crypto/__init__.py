"""Sealed data: encrypted under a key of its own, which is wrapped by a master key and bound to one place.

`seal(data, cell("secrets", "value", row_id))`: what is copied into another row or column does not open there.
"""

from agentflow_app.core.crypto.envelope import cell, key_id_of, rewrap, seal, unseal
from agentflow_app.core.crypto.errors import CannotUnseal, KeyServiceUnavailable, UnknownMasterKey

__all__ = [
    "CannotUnseal",
    "KeyServiceUnavailable",
    "UnknownMasterKey",
    "cell",
    "key_id_of",
    "rewrap",
    "seal",
    "unseal",
]
