import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentflow_app.core.crypto import (
    CannotUnseal,
    UnknownMasterKey,
    cell,
    key_id_of,
    rewrap,
    seal,
    unseal,
)
from agentflow_app.core.crypto.keyring import make_keyring
from agentflow_app.core.settings import Settings

CONTEXT = cell("secrets", "value", "row-1")


def given_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Use":
    return Use(monkeypatch, tmp_path)


class Use:
    """Gives this process other master keys."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self.folder = folder

    def __call__(self, keys: str = "", folder: Path | None = None) -> None:
        config = Settings(master_keys=keys, data_dir=folder or self.folder)
        ring = make_keyring(config)
        self._monkeypatch.setattr("agentflow_app.core.crypto.envelope.keyring", lambda: ring)


async def test_what_is_sealed_opens_in_its_place_and_nowhere_else(use: Use) -> None:
    use()
    sealed = await seal(b"hunter2 hunter2", CONTEXT)

    assert await unseal(sealed, CONTEXT) == b"hunter2 hunter2"
    assert b"hunter2" not in sealed
    for other in (cell("secrets", "value", "row-2"), cell("credentials", "value", "row-1"), ""):
        with pytest.raises(CannotUnseal):
            await unseal(sealed, other)


async def test_each_seal_has_a_key_of_its_own(use: Use) -> None:
    use()

    assert await seal(b"same", CONTEXT) != await seal(b"same", CONTEXT)


async def test_every_changed_byte_is_noticed(use: Use) -> None:
    use()
    sealed = await seal(b"value", CONTEXT)

    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises((CannotUnseal, UnknownMasterKey)):
            await unseal(bytes(changed), CONTEXT)
        with pytest.raises((CannotUnseal, UnknownMasterKey)):
            await unseal(sealed[:place], CONTEXT)


@given(st.binary(max_size=200))
async def test_anything_else_is_refused(blob: bytes) -> None:
    with pytest.raises((CannotUnseal, UnknownMasterKey)):
        await unseal(blob, CONTEXT)


async def test_the_wrapped_key_of_another_row_does_not_help(use: Use) -> None:
    use()
    one, other = await seal(b"aaaa", CONTEXT), await seal(b"bbbb", cell("secrets", "value", "row-2"))
    # Both parts have the same lengths, so halves can be exchanged.
    cut = len(one) - 12 - 16 - 4

    with pytest.raises(CannotUnseal):
        await unseal(one[:cut] + other[cut:], CONTEXT)
    with pytest.raises(CannotUnseal):
        await unseal(other[:cut] + one[cut:], CONTEXT)


async def test_a_new_key_seals_while_the_old_one_still_opens(use: Use) -> None:
    old, new = given_key(), given_key()
    use(f"old:{old}")
    sealed = await seal(b"kept", CONTEXT)

    use(f"new:{new},old:{old}")
    assert await unseal(sealed, CONTEXT) == b"kept"
    moved = await rewrap(sealed, CONTEXT)
    assert (key_id_of(sealed), key_id_of(moved)) == ("old", "new")

    use(f"new:{new}")
    assert await unseal(moved, CONTEXT) == b"kept"
    with pytest.raises(UnknownMasterKey):
        await unseal(sealed, CONTEXT)


async def test_keys_of_the_environment_do_not_shut_out_what_the_file_sealed(use: Use) -> None:
    use()
    sealed = await seal(b"kept", CONTEXT)

    use(f"first:{given_key()}")

    assert await unseal(sealed, CONTEXT) == b"kept"
    assert key_id_of(await rewrap(sealed, CONTEXT)) == "first"


async def test_a_server_with_another_file_says_that_it_lacks_the_key(use: Use, tmp_path: Path) -> None:
    use()
    sealed = await seal(b"kept", CONTEXT)

    use(folder=tmp_path / "other")

    with pytest.raises(UnknownMasterKey):
        await unseal(sealed, CONTEXT)


@pytest.mark.parametrize(
    "keys",
    [
        "nokey",
        "a:",
        "a:zz",
        f"a:{base64.b64encode(b'short').decode()}",
        f"a:{base64.b64encode(bytes(32)).decode()}",
        f"a b:{given_key()}",
        f"a:{given_key()},a:{given_key()}",
    ],
    ids=["no colon", "no key", "not base64", "too short", "of zeros", "a space in its name", "a name twice"],
)
def test_bad_master_keys_stop_the_start_without_being_shown(keys: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(master_keys=keys)

    (problem,) = raised.value.errors(include_input=False)
    assert "AGENTFLOW_MASTER_KEYS" in problem["msg"]
    assert keys not in problem["msg"]


def test_production_needs_a_master_key() -> None:
    secret = "0123456789abcdef0123456789abcdef"

    with pytest.raises(ValidationError, match="AGENTFLOW_MASTER_KEYS"):
        Settings(env="production", secret_key=secret)
    Settings(env="production", secret_key=secret, master_keys=f"first:{given_key()}")
    Settings(env="production", secret_key=secret, kms_key_id="alias/agentflow")
