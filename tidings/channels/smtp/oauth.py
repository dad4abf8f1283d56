"""Access tokens of accounts that log in by OAuth, fetched with a refresh token (RFC 6749, section 6) and cached.

Access tokens are in memory only; a crash costs one request for each account. The refresh token is read from the store
for each request, since another process may have got a new one for it, and a new one is stored before the access token
is used. The token server's address comes from a user, so it is reached through a transport that refuses addresses
within the operator's network.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from tidings.channels.base import About, RefreshTokens
from tidings.channels.http.transport import ForbiddenError, Transport, TransportError
from tidings.channels.smtp.errors import TransientError
from tidings.channels.smtp.replies import Phase
from tidings.domain.account import OAuth, Sealed, SmtpAccount
from tidings.domain.errors import StoreUnavailableError
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
    refresh_token: str | None = None
    """In place of the one that was used (section 6)."""


class _Refused(msgspec.Struct):
    error: str = ""


class _Token(msgspec.Struct):
    value: str
    until: float
    uses: int = 0


class AccessTokens:
    """One request at a time for each account, however many mails wait for it."""

    def __init__(
        self, transport: Transport, box: SecretBox, stored: RefreshTokens, *, clock: Callable[[], float]
    ) -> None:
        self._transport = transport
        self._box = box
        self._stored = stored
        self._clock = clock
        self._tokens: dict[_Key, _Token] = {}
        self._fetching: dict[_Key, asyncio.Lock] = {}

    async def get(self, account: SmtpAccount, owner: UUID) -> str:
        """That of an account with an OAuth login. Raises TransientError or UnsealError."""
        key = _key(account)
        lock = self._fetching.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                token = self._tokens.get(key)
                if token is None or token.until <= self._clock():
                    token = await self._fetch(account, owner)
                    self._forget_old()
                    self._tokens[key] = token
                token.uses += 1
                return token.value
        finally:
            if not lock.locked():
                self._fetching.pop(key, None)

    def forget(self, account: SmtpAccount, value: str) -> bool:
        """Does not use a token again that a mail server has refused. Returns whether another one may do better.

        Not where it was fetched for this login.
        """
        key = _key(account)
        token = self._tokens.get(key)
        if token is None or token.value != value:
            return True
        del self._tokens[key]
        return token.uses > 1

    async def _fetch(self, account: SmtpAccount, owner: UUID) -> _Token:
        """Another process may have used up the refresh token at this moment: then there is another one, once."""
        oauth = account.oauth
        if oauth is None:
            raise ValueError("the account has no OAuth login")
        refresh_token = await self._current(account.id) or oauth.refresh_token
        try:
            return await self._ask(oauth, account.id, refresh_token, owner)
        except _GrantError:
            newer = await self._current(account.id)
            if newer is None or newer == refresh_token:
                raise
            return await self._ask(oauth, account.id, newer, owner)

    async def _current(self, account_id: UUID | None) -> Sealed | None:
        if account_id is None:
            return None
        try:
            return await self._stored.current(account_id)
        except StoreUnavailableError as error:
            raise _failed(str(error), About.OURSELVES) from None

    async def _ask(self, oauth: OAuth, account_id: UUID | None, refresh_token: Sealed, owner: UUID) -> _Token:
        form = {
            "grant_type": "refresh_token",
            "client_id": oauth.client_id,
            "refresh_token": self._open(refresh_token, owner),
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
            raise _refused(answer.status, answer.body)
        try:
            granted = msgspec.json.decode(answer.body, type=_Granted)
        except msgspec.DecodeError:
            raise _failed("its answer holds no access token", About.HOST) from None
        if granted.refresh_token and account_id is not None and granted.refresh_token != form["refresh_token"]:
            await self._keep(account_id, refresh_token, granted.refresh_token, owner)
        life = USUAL_LIFE_SECONDS if granted.expires_in is None else granted.expires_in
        return _Token(granted.access_token, asked + min(life, LONGEST_LIFE_SECONDS) - EARLY_SECONDS)

    async def _keep(self, account_id: UUID, old: Sealed, new: str, owner: UUID) -> None:
        """The old one may be void from now on: the new one must not be lost."""
        sealed = self._box.seal(new, Purpose.SMTP_PASSWORD, owner)
        for again in (True, False):
            try:
                await self._stored.rotate(account_id, old, sealed)
            except StoreUnavailableError as error:
                if not again:
                    raise _failed(f"a new refresh token could not be kept: {error}", About.OURSELVES) from None
            else:
                return

    def _open(self, sealed: Sealed, owner: UUID) -> str:
        return self._box.unseal(sealed, Purpose.SMTP_PASSWORD, owner)

    def _forget_old(self) -> None:
        now = self._clock()
        for oauth in [oauth for oauth, token in self._tokens.items() if token.until <= now]:
            del self._tokens[oauth]


class _GrantError(TransientError):
    """The refresh token is refused."""


_Key = UUID | OAuth


def _key(account: SmtpAccount) -> _Key:
    key = account.id or account.oauth
    if key is None:
        raise ValueError("the account has no OAuth login")
    return key


def _failed(reason: str, about: About, kind: type[TransientError] = TransientError) -> TransientError:
    return kind(Phase.AUTH, f"no access token from the token server: {reason}", about=about)


def _refused(status: int, body: bytes) -> TransientError:
    """By the code of RFC 6749, section 5.2, such as `invalid_grant`; nothing else of what the server wrote."""
    try:
        code = msgspec.json.decode(body, type=_Refused).error
    except msgspec.DecodeError:
        code = ""
    if code == "invalid_grant":
        reason = f"refused with {code}: the refresh token has ended or was withdrawn; the account needs a new one"
        return _failed(reason, About.ACCOUNT, _GrantError)
    return _failed(f"refused with {code}" if _ERROR_CODE.fullmatch(code) else f"status {status}", About.ACCOUNT)
