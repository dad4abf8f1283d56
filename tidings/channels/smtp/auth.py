"""Logging in: which mechanisms are tried, in which order, and what each of them says (RFC 4954).

PLAIN, LOGIN and CRAM-MD5 prove a password; XOAUTH2 and OAUTHBEARER (RFC 7628) hand over an access token.
"""

import base64
import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiosmtplib.auth import auth_crammd5_verify, auth_login_encode, auth_plain_encode, auth_xoauth2_encode

WRONG_MECHANISM: Final = frozenset({500, 501, 502, 503, 504, 534, 538})
"""Replies that refuse the mechanism, not the login (RFC 4954, section 6)."""

MOST_CHALLENGES: Final = 3
"""Of one mechanism; a server that asks for more does not mean to end."""

_NAME: Final = re.compile(r"[A-Z0-9_-]{1,20}")


class Login(msgspec.Struct, frozen=True):
    """What an account proves itself with; in clear, and never shown."""

    username: str
    secret: str
    """A password, or an access token."""
    is_token: bool = False

    def __repr__(self) -> str:
        return f"Login(username={self.username!r}, secret=…, is_token={self.is_token})"


class Mechanism(msgspec.Struct, frozen=True):
    """How a login is said."""

    name: str
    initial: Callable[[Login], bytes] | None
    """Sent with AUTH, if there is one."""
    respond: Callable[[Login, str, int], bytes]
    """To a challenge, the first of which is number 0."""


def _plain(login: Login) -> bytes:
    return auth_plain_encode(login.username, login.secret)


def _xoauth2(login: Login) -> bytes:
    return auth_xoauth2_encode(login.username, login.secret)


def _oauthbearer(login: Login) -> bytes:
    name = login.username.replace("=", "=3D").replace(",", "=2C")
    return base64.b64encode(f"n,a={name},\x01auth=Bearer {login.secret}\x01\x01".encode())


_MECHANISMS: Final = {
    mechanism.name: mechanism
    for mechanism in (
        # Servers without initial responses ask for it by an empty challenge.
        Mechanism("PLAIN", _plain, lambda login, _challenge, _number: _plain(login)),
        # The name is not sent with AUTH: servers that cannot take it there ask for it again as for the password.
        Mechanism(
            "LOGIN", None, lambda login, _, number: auth_login_encode(login.username, login.secret)[min(number, 1)]
        ),
        Mechanism(
            "CRAM-MD5", None, lambda login, challenge, _: auth_crammd5_verify(login.username, login.secret, challenge)
        ),
        # A challenge holds an error, and what follows the answer to it is the refusal (RFC 7628, section 3.2.3).
        Mechanism("XOAUTH2", _xoauth2, lambda _login, _challenge, _number: b""),
        Mechanism("OAUTHBEARER", _oauthbearer, lambda _login, _challenge, _number: b"AQ=="),
    )
}
_FOR_TOKENS: Final = ("XOAUTH2", "OAUTHBEARER")
_FOR_PASSWORDS: Final = ("PLAIN", "LOGIN", "CRAM-MD5")
"""With TLS the simple ones first: servers that keep no password in clear can only refuse CRAM-MD5; some offer it."""


def mechanisms(login: Login, offered: Sequence[str], *, encrypted: bool) -> list[Mechanism]:
    """Those that both sides know, the best first."""
    names = {name.upper() for name in offered}
    order = _FOR_TOKENS if login.is_token else _FOR_PASSWORDS
    # Without TLS, the one that does not show the password.
    return [_MECHANISMS[name] for name in (order if encrypted else reversed(order)) if name in names]


def none_offered(login: Login, offered: Sequence[str]) -> str:
    """Why no login is possible."""
    known = "the server offers no way of logging in that is known here"
    names = sorted({name.upper() for name in offered if _NAME.fullmatch(name.upper())})
    if not names:
        return known
    if not login.is_token and set(names) <= set(_FOR_TOKENS):
        return f"the server takes no password, only {' and '.join(names)}: the account needs an OAuth login"
    return f"{known}, only {', '.join(names)}"
