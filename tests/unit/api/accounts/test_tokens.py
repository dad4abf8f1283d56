"""api/accounts/tokens.py"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.accounts import tokens as module
from api.accounts.tokens import LIFE, Claims, Tokens, end_of_token, signing_key
from tidings.domain.account import Role, User
from tidings.domain.errors import SettingsError
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import new_key
from tidings.settings import Settings

KEY = b"k" * 32
TOKENS = Tokens(KEY)
USER = User(
    id=new_id(),
    email="ada@example.com",
    password_hash="argon2",
    role=Role.USER,
    channels=None,
    token_version=3,
    smtp=None,
    signs_webhooks=False,
    created_at=utc_now(),
    updated_at=utc_now(),
)
SESSION_ID = new_id()
TOKEN = TOKENS.issue(USER, SESSION_ID, end_of_token())


def claims(**changes: Any) -> dict[str, Any]:
    now = utc_now()
    return {"sub": str(USER.id), "iat": now, "exp": now + LIFE, "ver": 3, **changes}


def test_a_token_says_who_and_which_version_for_twelve_hours() -> None:
    expires_at = end_of_token()
    token = TOKENS.issue(USER, SESSION_ID, expires_at)
    assert TOKENS.read(token) == Claims(USER.id, 3, SESSION_ID)
    assert abs(expires_at - utc_now() - timedelta(hours=12)) < timedelta(seconds=5)
    payload = jwt.decode(token, options={"verify_signature": False})
    assert payload.keys() == {"sub", "iat", "exp", "ver", "jti"}


def test_it_is_over_after_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def issued_at(moment: datetime) -> str:
        monkeypatch.setattr(module, "utc_now", lambda: moment)
        return TOKENS.issue(USER, SESSION_ID, module.end_of_token())

    assert TOKENS.read(issued_at(utc_now() - LIFE + timedelta(minutes=1))) is not None
    assert TOKENS.read(issued_at(utc_now() - LIFE - timedelta(minutes=1))) is None
    # A clock that is slightly ahead in another process is none of the client's fault; a day ahead is no clock.
    assert TOKENS.read(issued_at(utc_now() + timedelta(seconds=5))) is not None
    assert TOKENS.read(issued_at(utc_now() + timedelta(days=1))) is None


def test_another_key_makes_no_token_of_ours() -> None:
    assert Tokens(b"x" * 32).read(TOKEN) is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_another_algorithm_is_refused_even_with_our_key(algorithm: str) -> None:
    assert TOKENS.read(jwt.encode(claims(), KEY, algorithm)) is None


def test_an_unsigned_token_is_refused() -> None:
    assert TOKENS.read(jwt.encode(claims(), "", "none")) is None
    header, payload, _ = TOKEN.split(".")
    none = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    assert TOKENS.read(f"{none}.{payload}.") is None
    assert TOKENS.read(f"{header}.{payload}.") is None


def test_a_token_that_was_changed_is_refused() -> None:
    header, payload, signature = TOKEN.split(".")
    said = json.loads(urlsafe_b64decode(f"{payload}=="))
    forged = urlsafe_b64encode(json.dumps({**said, "sub": str(new_id())}).encode()).rstrip(b"=").decode()
    assert TOKENS.read(f"{header}.{forged}.{signature}") is None


@pytest.mark.parametrize("missing", ["sub", "iat", "exp", "ver"])
def test_every_claim_is_needed(missing: str) -> None:
    said = claims()
    assert TOKENS.read(jwt.encode(said, KEY, "HS256")) is not None
    del said[missing]
    assert TOKENS.read(jwt.encode(said, KEY, "HS256")) is None


def test_a_token_from_before_there_were_sessions_is_good_until_it_ends() -> None:
    assert TOKENS.read(jwt.encode(claims(), KEY, "HS256")) == Claims(USER.id, 3, None)


@pytest.mark.parametrize("wrong", [{"jti": "one"}, {"sub": "ada"}, {"ver": "three"}, {"ver": None}])
def test_claims_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    assert TOKENS.read(jwt.encode(claims(**wrong), KEY, "HS256")) is None


@given(st.text(st.characters(codec="ascii"), max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    assert TOKENS.read(text) is None
    assert TOKENS.read(f"{TOKEN}{text}") in {None, Claims(USER.id, 3, SESSION_ID)}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_an_open_port_needs_a_secret_key(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEY: "):
        signing_key(Settings(host=host, api_key="secret"))
    assert signing_key(Settings(host=host, secret_key="s" * 32)) == b"s" * 32


def test_on_loopback_there_is_always_a_key() -> None:
    assert signing_key(Settings()) != signing_key(Settings())
    keeping = Settings(secret_keys=(new_key(),))
    assert signing_key(keeping) == signing_key(keeping) != signing_key(msgspec.structs.replace(keeping, secret_keys=()))
    assert keeping.secret_keys[0].encode() not in signing_key(keeping)
    assert len(signing_key(keeping)) == len(signing_key(Settings())) == 32
