"""Access tokens of accounts that log in by OAuth, fetched with a refresh token (RFC 6749, section 6) and cached.

In memory only; a crash costs one request for each account. The token server's address comes from a user, so it is
reached through a transport that refuses addresses within the operator's network.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from tidings.channels.base import About
from tidings.channels.http.transport import ForbiddenError, Transport, TransportError
from tidings.channels.smtp.errors import TransientError
from tidings.channels.smtp.replies import Phase
from tidings.domain.account import OAuth, Sealed
from tidings.security.secretbox import Purpose, SecretBox

EARLY_SECONDS: Final = 60.0
"""How long before its end a token is no longer used."""
USUAL_LIFE_SECONDS: Final = 300.0
"""Of a token whose answer does not say."""
LONGEST_LIFE_SECONDS: Final = 24 * 3600.0

_OK: Final = 200
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class _Refused(msgspec.Struct):
    error: str = ""


class _Token(msgspec.Struct):
    value: str
    until: float
    uses: int = 0


class AccessTokens:
    """One request at a time for each account, however many mails wait for it."""

    def __init__(self, transport: Transport, box: SecretBox, *, clock: Callable[[], float]) -> None:
        self._transport = transport
        self._box = box
        self._clock = clock
        self._tokens: dict[OAuth, _Token] = {}
        self._fetching: dict[OAuth, asyncio.Lock] = {}

    async def get(self, oauth: OAuth, owner: UUID) -> str:
        """Raises TransientError or UnsealError."""
        lock = self._fetching.setdefault(oauth, asyncio.Lock())
        try:
            async with lock:
                token = self._tokens.get(oauth)
                if token is None or token.until <= self._clock():
                    token = await self._fetch(oauth, owner)
                    self._forget_old()
                    self._tokens[oauth] = token
                token.uses += 1
                return token.value
        finally:
            if not lock.locked():
                self._fetching.pop(oauth, None)

    def forget(self, oauth: OAuth, value: str) -> bool:
        """Does not use a token again that a mail server has refused. Returns whether another one may do better.

        Not where it was fetched for this login.
        """
        token = self._tokens.get(oauth)
        if token is None or token.value != value:
            return True
        del self._tokens[oauth]
        return token.uses > 1

    async def _fetch(self, oauth: OAuth, owner: UUID) -> _Token:
        form = {
            "grant_type": "refresh_token",
            "client_id": oauth.client_id,
            "refresh_token": self._open(oauth.refresh_token, owner),
        }
        if oauth.client_secret is not None:
            form["client_secret"] = self._open(oauth.client_secret, owner)
        asked = self._clock()
        try:
            answer = await self._transport.post(
                oauth.token_url,
                body=urlencode(form).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            )
        except ForbiddenError as error:
            raise _failed(str(error), About.ACCOUNT) from None
        except TransportError as error:
            raise _failed(str(error), About.HOST) from None
        if answer.status >= _SERVER_ERROR or answer.status == _TOO_MANY:
            raise _failed(f"status {answer.status}", About.HOST)
        if answer.status != _OK:
            raise _failed(_refusal(answer.status, answer.body), About.ACCOUNT)
        try:
            granted = msgspec.json.decode(answer.body, type=_Granted)
        except msgspec.DecodeError:
            raise _failed("its answer holds no access token", About.HOST) from None
        life = USUAL_LIFE_SECONDS if granted.expires_in is None else granted.expires_in
        return _Token(granted.access_token, asked + min(life, LONGEST_LIFE_SECONDS) - EARLY_SECONDS)

    def _open(self, sealed: Sealed, owner: UUID) -> str:
        return self._box.unseal(sealed, Purpose.SMTP_PASSWORD, owner)

    def _forget_old(self) -> None:
        now = self._clock()
        for oauth in [oauth for oauth, token in self._tokens.items() if token.until <= now]:
            del self._tokens[oauth]


def _failed(reason: str, about: About) -> TransientError:
    return TransientError(Phase.AUTH, f"no access token from the token server: {reason}", about=about)


def _refusal(status: int, body: bytes) -> str:
    """The code of RFC 6749, section 5.2, such as `invalid_grant`, and nothing else of what the server wrote."""
    try:
        code = msgspec.json.decode(body, type=_Refused).error
    except msgspec.DecodeError:
        code = ""
    return f"refused with {code}" if _ERROR_CODE.fullmatch(code) else f"status {status}"
