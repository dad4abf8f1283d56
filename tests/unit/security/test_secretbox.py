"""tidings/security/secretbox.py"""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.domain.account import Sealed
from tidings.domain.errors import SettingsError, UnsealError
from tidings.security.secretbox import Purpose, SecretBox, new_key

ADA, BOB = UUID(int=1), UUID(int=2)
OLD, NEW = new_key(), new_key()
PASSWORD = Purpose.SMTP_PASSWORD


@given(secret=st.text(st.characters(codec="utf-8")), owner=st.uuids(), purpose=st.sampled_from(Purpose))
def test_what_is_sealed_is_opened(secret: str, owner: UUID, purpose: Purpose) -> None:
    box = SecretBox([OLD])
    sealed = box.seal(secret, purpose, owner)
    assert box.unseal(sealed, purpose, owner) == secret


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    box = SecretBox([OLD])
    assert box.seal("hunter2", PASSWORD, ADA) != box.seal("hunter2", PASSWORD, ADA)


def test_any_key_opens_and_the_newest_seals() -> None:
    sealed = SecretBox([OLD]).seal("hunter2", PASSWORD, ADA)
    both = SecretBox([NEW, OLD])
    assert both.unseal(sealed, PASSWORD, ADA) == "hunter2"
    assert SecretBox([NEW]).unseal(both.seal("hunter3", PASSWORD, ADA), PASSWORD, ADA) == "hunter3"


def test_resealing_brings_a_secret_under_the_newest_key_once() -> None:
    sealed = SecretBox([OLD]).seal("hunter2", PASSWORD, ADA)
    both = SecretBox([NEW, OLD])
    resealed = both.reseal(sealed, PASSWORD, ADA)
    assert SecretBox([NEW]).unseal(resealed, PASSWORD, ADA) == "hunter2"
    assert both.reseal(resealed, PASSWORD, ADA) == resealed


@pytest.mark.parametrize(
    ("purpose", "owner"), [(PASSWORD, BOB), (Purpose.WEBHOOK_SECRET, ADA), (Purpose.WEBHOOK_SECRET, BOB)]
)
def test_a_secret_does_not_open_in_another_place(purpose: Purpose, owner: UUID) -> None:
    box = SecretBox([OLD])
    sealed = box.seal("hunter2", PASSWORD, ADA)
    with pytest.raises(UnsealError, match=f"is not the {purpose} of its row"):
        box.unseal(sealed, purpose, owner)
    with pytest.raises(UnsealError):
        SecretBox([NEW, OLD]).reseal(sealed, purpose, owner)


@pytest.mark.parametrize(
    "sealed",
    [b"", b"plain text", SecretBox([NEW]).seal("hunter2", PASSWORD, ADA)],
    ids=["nothing", "plain", "another key's"],
)
def test_what_no_key_opens_is_told_without_showing_it(sealed: bytes) -> None:
    with pytest.raises(UnsealError, match=r"^none of SECRET_KEYS opens") as refused:
        SecretBox([OLD]).unseal(Sealed(sealed), PASSWORD, ADA)
    assert refused.value.__suppress_context__


def test_a_changed_ciphertext_is_noticed() -> None:
    box = SecretBox([OLD])
    sealed = bytearray(box.seal("hunter2", PASSWORD, ADA))
    sealed[40] ^= 1
    with pytest.raises(UnsealError):
        box.unseal(Sealed(bytes(sealed)), PASSWORD, ADA)


def test_without_keys_nothing_is_kept_and_nothing_read() -> None:
    box = SecretBox([])
    with pytest.raises(SettingsError, match=r"^SECRET_KEYS: must be set"):
        box.seal("hunter2", PASSWORD, ADA)
    with pytest.raises(UnsealError, match="SECRET_KEYS is not set"):
        box.unseal(SecretBox([OLD]).seal("hunter2", PASSWORD, ADA), PASSWORD, ADA)


@pytest.mark.parametrize(
    "key", ["", "hunter2", "ä", OLD[:-4], OLD + "AAAA"], ids=["none", "text", "no ASCII", "short", "long"]
)
def test_a_wrong_key_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match=r"^must be 32 bytes") as refused:
        SecretBox([key])
    assert not key or key not in str(refused.value)


def test_no_representation_shows_a_key() -> None:
    assert OLD not in repr(SecretBox([OLD]))
