"""Against the KMS of moto, an imitation of AWS that runs as a server here."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from agentflow_app.core.crypto import (
    CannotUnseal,
    KeyServiceUnavailable,
    UnknownMasterKey,
    key_id_of,
    rewrap,
    seal,
    unseal,
)
from agentflow_app.core.crypto.keyring import make_keyring
from agentflow_app.core.crypto.kms import AwsKms
from agentflow_app.core.settings import Settings

CONTEXT = "secrets.value:row-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def kms_key(aws: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    for name, value in {
        "AWS_ENDPOINT_URL_KMS": aws,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    key: str = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    use(monkeypatch, Settings(kms_key_id=key, data_dir=tmp_path))
    return key


def use(monkeypatch: pytest.MonkeyPatch, config: Settings) -> None:
    ring = make_keyring(config)
    monkeypatch.setattr("agentflow_app.core.crypto.envelope.keyring", lambda: ring)


async def test_the_master_key_stays_in_kms(kms_key: str) -> None:
    sealed = await seal(b"hunter2", CONTEXT)

    assert await unseal(sealed, CONTEXT) == b"hunter2"
    assert key_id_of(sealed).endswith(kms_key)
    with pytest.raises(CannotUnseal):
        await unseal(sealed, "secrets.value:row-2")


async def test_moving_into_kms(kms_key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, Settings(data_dir=tmp_path))
    sealed = await seal(b"hunter2", CONTEXT)

    use(monkeypatch, Settings(kms_key_id=kms_key, data_dir=tmp_path))
    moved = await rewrap(sealed, CONTEXT)

    assert await unseal(moved, CONTEXT) == b"hunter2"
    assert key_id_of(moved).startswith("kms:")


async def test_without_kms_its_data_keys_stay_closed(
    kms_key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed = await seal(b"hunter2", CONTEXT)

    use(monkeypatch, Settings(data_dir=tmp_path))

    with pytest.raises(UnknownMasterKey):
        await unseal(sealed, CONTEXT)


async def test_an_unknown_key_and_a_silent_service_are_told_apart(
    kms_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownMasterKey):
        await AwsKms("00000000-0000-0000-0000-000000000000").generate(CONTEXT)

    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    with pytest.raises(KeyServiceUnavailable):
        await AwsKms(kms_key).generate(CONTEXT)


async def test_an_unwrapped_key_is_kept_for_a_moment_only(
    kms_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://{host}:{port}")
    now = 0.0
    service = AwsKms(kms_key, now=lambda: now)
    key = await service.generate(CONTEXT)
    assert await service.unwrap(key.key_id, key.wrapped, CONTEXT) == key.plain

    with pytest.raises(CannotUnseal):
        await service.unwrap(key.key_id, key.wrapped, "secrets.value:row-2")
    server.stop()
    assert await service.unwrap(key.key_id, key.wrapped, CONTEXT) == key.plain

    now = 61.0
    with pytest.raises(KeyServiceUnavailable):
        await service.unwrap(key.key_id, key.wrapped, CONTEXT)
