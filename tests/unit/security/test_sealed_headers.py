"""tidings/security/sealed_headers.py"""

from uuid import uuid4

import pytest

from tidings.domain.errors import SettingsError, UnsealError
from tidings.domain.headers import HeaderError, check_headers
from tidings.security.sealed_headers import seal_headers, unseal_headers
from tidings.security.secretbox import SecretBox, new_key

HEADERS = {"Authorization": "Bearer x-1", "X-Shop": "4", "x-api-key": "ümlaut"}


def test_secrets_are_sealed_and_the_rest_is_left() -> None:
    box, message_id = SecretBox([new_key()]), uuid4()
    sealed = seal_headers(HEADERS, message_id, box)
    assert sealed.keys() == HEADERS.keys()
    assert sealed["X-Shop"] == "4"
    assert "x-1" not in sealed["Authorization"]
    assert unseal_headers(sealed, message_id, box) == HEADERS
    with pytest.raises(UnsealError):
        unseal_headers(sealed, uuid4(), box)
    with pytest.raises(UnsealError):
        unseal_headers(sealed, message_id, SecretBox([new_key()]))


def test_headers_that_were_kept_in_clear_are_read_as_they_are() -> None:
    assert unseal_headers(HEADERS, uuid4(), SecretBox([])) == HEADERS


def test_nothing_is_sealed_without_a_key() -> None:
    with pytest.raises(SettingsError):
        seal_headers(HEADERS, uuid4(), SecretBox([]))


def test_a_client_cannot_hand_in_what_looks_sealed() -> None:
    sealed = seal_headers(HEADERS, uuid4(), SecretBox([new_key()]))
    with pytest.raises(HeaderError):
        check_headers({"Authorization": sealed["Authorization"]})
