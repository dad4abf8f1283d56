"""tidings/security/unsubscribe_tokens.py"""

import pytest

from tidings.domain.errors import SettingsError
from tidings.domain.ids import new_id
from tidings.security.links import MAX_LENGTH
from tidings.security.secretbox import new_key
from tidings.security.unsubscribe_tokens import UnsubscribeTokens, Unsubscribing

OLD, NEW = new_key(), new_key()
WANTED = Unsubscribing(new_id(), new_id(), "jörg@bücher.example")


@pytest.mark.parametrize("wanted", [WANTED, Unsubscribing(None, new_id(), "ida@example.com")])
def test_what_was_signed_is_read(wanted: Unsubscribing) -> None:
    tokens = UnsubscribeTokens([NEW])
    token = tokens.sign(wanted)
    assert tokens.read(token) == wanted
    assert token.replace("-", "").replace("_", "").isalnum()


def test_keys_are_exchanged_without_a_gap() -> None:
    token = UnsubscribeTokens([OLD]).sign(WANTED)
    assert UnsubscribeTokens([NEW, OLD]).read(token) == WANTED
    assert UnsubscribeTokens([NEW]).read(token) is None
    assert UnsubscribeTokens([]).read(token) is None
    with pytest.raises(SettingsError, match="SECRET_KEYS"):
        UnsubscribeTokens([]).sign(WANTED)


def test_a_token_with_another_letter_is_none() -> None:
    tokens = UnsubscribeTokens([NEW])
    token = tokens.sign(Unsubscribing(new_id(), new_id(), "ida@example.com"))
    for place, letter in enumerate(token[:-1]):
        assert tokens.read(token[:place] + ("A" if letter != "A" else "B") + token[place + 1 :]) is None, place


@pytest.mark.parametrize("token", ["", "x", "AAAA", "=" * 10, "ä", "A" * (MAX_LENGTH + 1), "a b", "%00"])
def test_what_is_no_token(token: str) -> None:
    assert UnsubscribeTokens([NEW]).read(token) is None
