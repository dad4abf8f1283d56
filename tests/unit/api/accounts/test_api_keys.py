"""api/accounts/api_keys.py"""

import re

import pytest

from api.accounts.api_keys import hash_of, is_key, new_key, prefix_of


def test_a_key_holds_its_prefix_and_a_secret() -> None:
    prefix, key = new_key()
    assert re.fullmatch(r"tdg_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", key)
    assert prefix_of(key) == prefix == key[:20]
    assert len({new_key() for _ in range(100)}) == 100


def test_its_hash_knows_it_and_no_other() -> None:
    _, key = new_key()
    kept = hash_of(key)
    assert len(kept) == 32
    assert is_key(key, kept)
    assert not is_key(new_key()[1], kept)
    assert not is_key(f"{key}=", kept)
    assert not is_key(key[:-1], kept)


@pytest.mark.parametrize(
    "text", ["", "tdg", "tdg_", "tdg_abc_def", "eyJhbGciOi", f"TDG_{16 * 'a'}_b", f"tdg_{17 * 'a'}_"]
)
def test_what_cannot_be_a_key_has_no_prefix(text: str) -> None:
    assert prefix_of(text) is None
