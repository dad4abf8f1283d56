"""Logins: what guessing, locking out and flooding come to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from threading import Event

import aiohttp
import msgspec
import pytest
from argon2.profiles import CHEAPEST

from api.accounts import services
from api.accounts.errors import BusyError
from api.accounts.passwords import Passwords
from api.app import create_app
from tests.integration.api.accounts.people import OPERATORS_KEY, PASSWORD, join
from tests.integration.api.client import Api
from tidings.settings import Settings

VICTIM = "ada@example.com"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        api_key=OPERATORS_KEY,
        secret_key="signs tokens " * 4,
        logins_per_address=0,
        logins_per_email=5,
    )


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "Passwords", partial(Passwords, CHEAPEST))


class Client(msgspec.Struct):
    """Somebody at an address of their own, with a jar for cookies."""

    api: Api
    session: aiohttp.ClientSession

    async def log_in(self, password: str = PASSWORD, *, email: str = VICTIM, browser: bool = False) -> int:
        path = "dashboard/session" if browser else "api/v1/tokens"
        headers = {"Origin": str(self.api.url.origin())} if browser else {}
        body = {"email": email, "password": password}
        async with self.session.post(self.api.url / path, json=body, headers=headers) as response:
            return response.status


@asynccontextmanager
async def client_at(api: Api, address: str) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    jar = aiohttp.CookieJar(unsafe=True)  # the server has an address for its name
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        yield Client(api, session)


async def test_guesses_from_one_network_do_not_lock_the_victim_out(settings: Settings) -> None:
    async with (
        Api.serving(create_app(settings)) as api,
        client_at(api, "127.0.7.1") as guesser,
        client_at(api, "127.0.7.2") as accomplice,
        client_at(api, "127.0.8.1") as victim,
    ):
        await join(api, VICTIM)
        guesses = [await guesser.log_in("a guess, a guess") for _ in range(6)]
        assert guesses == [401] * 5 + [429]
        assert await accomplice.log_in("a guess, a guess") == 429
        # The right one neither, there; elsewhere it is.
        assert await guesser.log_in() == 429
        assert await victim.log_in() == 201


async def test_an_address_that_is_limited_cannot_use_up_a_name(settings: Settings) -> None:
    strict = msgspec.structs.replace(settings, logins_per_address=3)
    async with (
        Api.serving(create_app(strict)) as api,
        client_at(api, "127.0.7.1") as guesser,
        client_at(api, "127.0.7.2") as neighbour,
    ):
        await join(api, VICTIM)
        assert [await guesser.log_in("a guess, a guess") for _ in range(12)] == [401] * 3 + [429] * 9
        assert await neighbour.log_in() == 201


async def test_who_logged_in_from_there_before_gets_through(settings: Settings) -> None:
    async with (
        Api.serving(create_app(settings)) as api,
        client_at(api, "127.0.7.1") as guesser,
        client_at(api, "127.0.7.2") as victim,
    ):
        await join(api, VICTIM)
        assert await victim.log_in() == 201
        for _ in range(6):
            await guesser.log_in("a guess, a guess")
        assert await guesser.log_in() == 429
        assert await victim.log_in() == 201


async def test_a_browser_that_logged_in_before_gets_through_at_the_same_address(settings: Settings) -> None:
    strict = msgspec.structs.replace(settings, logins_per_address=8)
    async with (
        Api.serving(create_app(strict)) as api,
        client_at(api, "127.0.7.1") as browser,
        client_at(api, "127.0.7.1") as guesser,
    ):
        await join(api, VICTIM)
        assert await browser.log_in(browser=True) == 201
        for _ in range(9):
            await guesser.log_in("a guess, a guess")
        assert await guesser.log_in() == 429
        assert await browser.log_in(browser=True) == 201
        # With its cookie one may guess a name no more often than without.
        assert [await browser.log_in("a guess", browser=True) for _ in range(6)] == [401] * 5 + [429]


async def test_the_cookie_is_for_logins_alone_and_lets_nobody_in(settings: Settings) -> None:
    async with Api.serving(create_app(settings)) as api, client_at(api, "127.0.7.1") as browser:
        await join(api, VICTIM)
        assert await browser.log_in(browser=True) == 201
        [device] = [cookie for cookie in browser.session.cookie_jar if cookie.key == "tidings_device"]
        assert device["httponly"]
        assert device["samesite"] == "Strict"
        assert device["path"] == "/dashboard/session"
        assert VICTIM not in device.value
        headers = {"Cookie": f"tidings_session={device.value}; tidings_device={device.value}"}
        async with aiohttp.request("GET", api.url / "api/v1/me", headers=headers) as response:
            assert response.status == 401


async def test_who_is_known_goes_before_a_flood_of_strangers() -> None:
    passwords = Passwords(CHEAPEST, backlog=8)
    held = Event()
    order: list[str] = []

    class Hasher:
        def verify(self, _kept: str, password: str) -> bool:
            held.wait(10)
            order.append(password)
            return True

    passwords._hasher = Hasher()  # type: ignore[assignment]
    flood = [asyncio.create_task(passwords.verify("stranger", "hash")) for _ in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await passwords.verify("stranger", "hash")
    known = [asyncio.create_task(passwords.verify("known", "hash", known=True)) for _ in range(3)]
    await asyncio.sleep(0)
    held.set()
    assert await asyncio.gather(*flood, *known) == [True] * 11
    # Two were at work already.
    assert order[:5].count("known") == 3
    passwords.close()


async def test_a_flood_of_logins_keeps_nobody_out_who_was_here_before(settings: Settings) -> None:
    open_to_all = msgspec.structs.replace(settings, logins_per_email=1000)
    async with (
        Api.serving(create_app(open_to_all)) as api,
        client_at(api, "127.0.7.1") as victim,
        client_at(api, "127.0.9.1") as strangers,
    ):
        await join(api, VICTIM)
        assert await victim.log_in() == 201
        flood = [asyncio.create_task(strangers.log_in(email=f"{number}@example.com")) for number in range(300)]
        assert [await victim.log_in() for _ in range(10)] == [201] * 10
        assert set(await asyncio.gather(*flood)) <= {401, 503}
