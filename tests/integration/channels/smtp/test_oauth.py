"""tidings/channels/smtp/oauth.py and auth.py: access tokens from a token server, and logins with them"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest
import trustme
from aiohttp import web

from tests.integration.channels.receivers import web_receiver
from tests.integration.channels.smtp.mailing import BOX, USER, MakeChannel, delivery
from tests.integration.channels.smtp.zoo.animal import Animal, ehlo
from tests.integration.channels.smtp.zoo.cage import Cage
from tidings.channels.base import About, Accepted, FixedTokens, Retry
from tidings.channels.http.client import HttpClient
from tidings.channels.http.resolving import REFUSED
from tidings.channels.http.transport import Transport
from tidings.channels.smtp.errors import TransientError
from tidings.channels.smtp.oauth import AccessTokens
from tidings.domain.account import OAuth, Sealed, SmtpAccount
from tidings.domain.errors import StoreUnavailableError
from tidings.security.egress import webhook_egress
from tidings.security.secretbox import Purpose
from tidings.settings import Settings

SENDER = "ada@example.com"


def seal(secret: str) -> Sealed:
    return BOX.seal(secret, Purpose.SMTP_PASSWORD, USER)


class TokenServer:
    """Gives `token-1`, `token-2`, … to who has the right refresh token."""

    def __init__(self) -> None:
        self.url = ""
        self.forms: list[dict[str, str]] = []
        self.expires_in: float | None = 3600
        self.answer: web.Response | None = None

    async def grant(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.forms.append({key: str(value) for key, value in form.items()})
        if self.answer is not None:
            return self.answer
        if form["refresh_token"] != "refresh":
            return web.json_response({"error": "invalid_grant", "error_description": "secret refresh"}, status=400)
        token = {"access_token": f"token-{len(self.forms)}", "token_type": "Bearer", "scope": "mail"}
        return web.json_response(token if self.expires_in is None else {**token, "expires_in": self.expires_in})

    def account(self, *, refresh_token: str = "refresh", client_secret: str | None = "hush") -> OAuth:
        return OAuth(
            token_url=self.url,
            client_id="tidings",
            client_secret=None if client_secret is None else seal(client_secret),
            refresh_token=seal(refresh_token),
        )


def smtp(oauth: OAuth) -> SmtpAccount:
    return SmtpAccount(host="mail.example", port=587, username=SENDER, oauth=oauth)


@pytest.fixture
async def token_server() -> AsyncIterator[TokenServer]:
    server = TokenServer()
    async with web_receiver(server.grant) as url:
        server.url = url
        yield server


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def mail_server(animal: Animal, authority: trustme.CA) -> AsyncIterator[tuple[Cage, int]]:
    cage = Cage(animal, authority)
    server = await asyncio.start_server(cage.serve, "127.0.0.1", 0)
    try:
        yield cage, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await cage.close()


def said(line: bytes) -> bytes:
    return base64.b64decode(line.rpartition(b" ")[2])


# The token server


async def test_a_token_is_fetched_once_and_kept_until_shortly_before_its_end(
    token_server: TokenServer, transport: Transport
) -> None:
    clock = Clock()
    tokens = AccessTokens(transport, BOX, FixedTokens(), clock=clock)
    account = smtp(token_server.account())
    assert set(await asyncio.gather(*(tokens.get(account, USER) for _ in range(20)))) == {"token-1"}
    assert token_server.forms == [
        {
            "grant_type": "refresh_token",
            "client_id": "tidings",
            "client_secret": "hush",
            "refresh_token": "refresh",
        }
    ]
    clock.now = 3600 - 61
    assert await tokens.get(account, USER) == "token-1"
    clock.now = 3600 - 59
    assert await tokens.get(account, USER) == "token-2"


async def test_a_public_client_has_no_secret_and_a_life_may_be_missing(
    token_server: TokenServer, transport: Transport
) -> None:
    token_server.expires_in = None
    clock = Clock()
    tokens = AccessTokens(transport, BOX, FixedTokens(), clock=clock)
    account = smtp(token_server.account(client_secret=None))
    assert await tokens.get(account, USER) == "token-1"
    assert "client_secret" not in token_server.forms[0]
    clock.now = 300
    assert await tokens.get(account, USER) == "token-2"


@pytest.mark.parametrize(
    ("answer", "about", "error"),
    [
        (
            lambda: web.json_response({"error": "invalid_client"}, status=401),
            About.ACCOUNT,
            "refused with invalid_client",
        ),
        (lambda: web.json_response({"error": "Secret: refresh"}, status=400), About.ACCOUNT, "status 400"),
        (lambda: web.Response(text="<html>", status=404), About.ACCOUNT, "status 404"),
        (lambda: web.Response(text="busy", status=503), About.HOST, "status 503"),
        (lambda: web.Response(text="slow down", status=429), About.HOST, "status 429"),
        (lambda: web.Response(text="<html>hello</html>"), About.HOST, "its answer holds no access token"),
        (lambda: web.json_response({"token": "x"}), About.HOST, "its answer holds no access token"),
    ],
)
async def test_what_a_token_server_refuses(
    answer: Callable[[], web.Response], about: About, error: str, token_server: TokenServer, transport: Transport
) -> None:
    token_server.answer = answer()
    with pytest.raises(TransientError) as raised:
        await AccessTokens(transport, BOX, FixedTokens(), clock=Clock()).get(smtp(token_server.account()), USER)
    assert (raised.value.about, raised.value.reason) == (about, f"no access token from the token server: {error}")


async def test_a_token_server_inside_the_network_is_refused(token_server: TokenServer) -> None:
    settings = Settings(host="0.0.0.0", secret_key="x" * 32)
    transport = HttpClient(settings, egress=webhook_egress(settings))
    with pytest.raises(TransientError, match=REFUSED) as raised:
        await AccessTokens(transport, BOX, FixedTokens(), clock=Clock()).get(smtp(token_server.account()), USER)
    await transport.close()
    assert raised.value.about is About.ACCOUNT
    assert token_server.forms == []


# The mail server


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [
        (b"XOAUTH2", b"user=ada@example.com\x01auth=Bearer token-1\x01\x01"),
        (b"OAUTHBEARER", b"n,a=ada@example.com,\x01auth=Bearer token-1\x01\x01"),
    ],
)
async def test_a_token_logs_in(
    mechanism: bytes,
    expected: bytes,
    token_server: TokenServer,
    make_channel: MakeChannel,
    authority: trustme.CA,
) -> None:
    animal = Animal(name="", says=ehlo(b"AUTH PLAIN LOGIN " + mechanism))
    async with mail_server(animal, authority) as (cage, port):
        account = SmtpAccount(host="127.0.0.1", port=port, username=SENDER, oauth=token_server.account())
        channel = make_channel(account)
        results = await asyncio.gather(*(channel.deliver(delivery()) for _ in range(5)))
        await channel.close()
    assert {type(result) for result in results} == {Accepted}
    assert {said(line) for line in cage.logins} == {expected}
    assert len(token_server.forms) == 1


REFUSAL = (b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n",)


@pytest.mark.parametrize(("mechanism", "farewell"), [(b"XOAUTH2", b""), (b"OAUTHBEARER", b"AQ==")])
async def test_a_refused_token_is_told_by_a_challenge(
    mechanism: bytes,
    farewell: bytes,
    token_server: TokenServer,
    make_channel: MakeChannel,
    authority: trustme.CA,
) -> None:
    animal = Animal(
        name="",
        says={**ehlo(b"AUTH " + mechanism), "AUTH": REFUSAL, "challenge": (b"535 5.7.8 Bad token\r\n",)},
    )
    async with mail_server(animal, authority) as (cage, port):
        account = SmtpAccount(host="127.0.0.1", port=port, username=SENDER, oauth=token_server.account())
        result = await make_channel(account).deliver(delivery())
    assert result == Retry(error="AUTH: refused with 535 5.7.8", status_code=535, about=About.ACCOUNT)
    assert cage.logins[1:] == [farewell], "a token that was fetched a moment ago is not fetched again"
    assert len(token_server.forms) == 1


async def test_a_token_that_was_revoked_is_replaced_within_the_attempt(
    token_server: TokenServer, make_channel: MakeChannel, authority: trustme.CA
) -> None:
    animal = Animal(
        name="",
        says={**ehlo(b"AUTH XOAUTH2"), "mail": (b"250 Ok\r\n", "close")},
    )
    async with mail_server(animal, authority) as (cage, port):
        account = SmtpAccount(host="127.0.0.1", port=port, username=SENDER, oauth=token_server.account())
        channel = make_channel(account)
        assert isinstance(await channel.deliver(delivery()), Accepted)
        cage.animal = Animal(name="", says=ehlo(b"AUTH XOAUTH2"), by_turn={"AUTH": ((b"535 5.7.8 No\r\n",), None)})
        assert isinstance(await channel.deliver(delivery()), Accepted)
        await channel.close()
    assert [said(line)[-9:-2] for line in cage.logins] == [b"token-1", b"token-1", b"token-2"]


async def test_a_refresh_token_that_is_no_longer_good(
    token_server: TokenServer, make_channel: MakeChannel, authority: trustme.CA
) -> None:
    async with mail_server(Animal(name="", says=ehlo(b"AUTH XOAUTH2")), authority) as (cage, port):
        oauth = token_server.account(refresh_token="old")
        account = SmtpAccount(host="127.0.0.1", port=port, username=SENDER, oauth=oauth)
        channel = make_channel(account)
        results = [await channel.deliver(delivery()) for _ in range(3)]
    error = "AUTH: no access token from the token server: refused with invalid_grant: "
    error += "the refresh token has ended or was withdrawn; the account needs a new one"
    assert results[0] == Retry(error=error, about=About.ACCOUNT)
    assert results[1] == results[2] == Retry(error=f"{error} a moment ago", about=About.ACCOUNT)
    assert (cage.connections, len(token_server.forms)) == (0, 1)
    assert "old" not in repr(account)
    assert "refresh" not in repr(account).replace("refresh_token", "")


# Refresh tokens that are replaced


class Stored:
    """The refresh token of one account, as Postgres has it for all consumers."""

    def __init__(self, token: Sealed) -> None:
        self.token = token
        self.away = False

    async def current(self, account_id: UUID) -> Sealed | None:
        if self.away:
            raise StoreUnavailableError("the refresh token could not be read")
        return self.token

    async def rotate(self, account_id: UUID, old: Sealed, new: Sealed) -> None:
        if self.away:
            raise StoreUnavailableError("the refresh token could not be kept")
        if self.token == old:
            self.token = new


class RotatingServer(TokenServer):
    """Takes each refresh token once, and gives another one with the access token."""

    def __init__(self) -> None:
        super().__init__()
        self.valid = "refresh"
        self.also: Callable[[], None] = lambda: None

    async def grant(self, request: web.Request) -> web.Response:
        self.also()
        form = await request.post()
        self.forms.append({key: str(value) for key, value in form.items()})
        if form["refresh_token"] != self.valid:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.valid = f"refresh-{len(self.forms)}"
        token = {"access_token": f"token-{len(self.forms)}", "expires_in": 3600, "refresh_token": self.valid}
        return web.json_response(token)


@pytest.fixture
async def rotating() -> AsyncIterator[RotatingServer]:
    server = RotatingServer()
    async with web_receiver(server.grant) as url:
        server.url = url
        yield server


async def test_a_new_refresh_token_is_kept_and_used_by_all_consumers(
    rotating: RotatingServer, transport: Transport
) -> None:
    account = msgspec.structs.replace(smtp(rotating.account()), id=UUID(int=1))
    assert account.oauth is not None
    stored, clock = Stored(account.oauth.refresh_token), Clock()
    consumers = [AccessTokens(transport, BOX, stored, clock=clock) for _ in range(3)]
    # Each of them knows the account as it was at first.
    assert [await tokens.get(account, USER) for tokens in consumers] == ["token-1", "token-2", "token-3"]
    assert [form["refresh_token"] for form in rotating.forms] == ["refresh", "refresh-1", "refresh-2"]
    assert BOX.unseal(stored.token, Purpose.SMTP_PASSWORD, USER) == rotating.valid == "refresh-3"


async def test_a_refresh_token_that_another_consumer_used_at_the_same_moment_costs_one_request_more(
    rotating: RotatingServer, transport: Transport
) -> None:
    account = msgspec.structs.replace(smtp(rotating.account()), id=UUID(int=1))
    assert account.oauth is not None
    stored = Stored(account.oauth.refresh_token)

    def overtake() -> None:
        rotating.also = lambda: None
        rotating.valid, stored.token = "theirs", seal("theirs")

    rotating.also = overtake
    assert await AccessTokens(transport, BOX, stored, clock=Clock()).get(account, USER) == "token-2"
    assert [form["refresh_token"] for form in rotating.forms] == ["refresh", "theirs"]


async def test_a_store_that_is_away_is_no_fault_of_the_account(rotating: RotatingServer, transport: Transport) -> None:
    account = msgspec.structs.replace(smtp(rotating.account()), id=UUID(int=1))
    assert account.oauth is not None
    stored = Stored(account.oauth.refresh_token)
    tokens = AccessTokens(transport, BOX, stored, clock=Clock())
    stored.away = True
    with pytest.raises(TransientError) as raised:
        await tokens.get(account, USER)
    assert raised.value.about is About.OURSELVES
    assert rotating.forms == []
