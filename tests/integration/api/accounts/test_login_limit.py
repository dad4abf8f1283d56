"""api/accounts/login_limit.py"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from api.accounts.errors import TooManyLoginsError
from api.accounts.login_limit import Attempt, LoginLimit, digest_of
from api.app import create_app
from tests.integration.api.accounts.people import PASSWORD, join, log_in, operator
from tests.integration.api.client import Answer, Api
from tidings.settings import Settings


@pytest_asyncio.fixture
async def redis(redis_uri: str) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(redis_uri)
    yield client
    await client.aclose()


async def tried(
    limit: LoginLimit, name: str = "ada@example.com", address: str | None = "192.0.2.1", *, device: str | None = None
) -> Attempt | None:
    """Counts a login, in the order in which logins do; None for one that was refused."""
    try:
        await limit.count_address(address, device=device)
        return await limit.count_name(name, address, device=device)
    except TooManyLoginsError:
        return None


async def let_in(limit: LoginLimit, name: str = "ada@example.com", address: str | None = "192.0.2.1") -> bool:
    return await tried(limit, name, address) is not None


async def test_so_many_failures_a_minute_for_one_name_in_any_case(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=3, per_address=0)
    tries = [await let_in(limit, email) for email in ("ada@example.com", "ADA@example.com", " ada@example.com ")]
    assert tries == [True] * 3
    assert not await let_in(limit)
    assert await let_in(limit, "bob@example.com")


@pytest.mark.parametrize(
    ("one", "neighbour", "elsewhere"),
    [
        ("192.0.2.1", "192.0.2.200", "192.0.3.1"),
        ("2001:db8:1:1::1", "2001:db8:1:ffff::1", "2001:db8:2::1"),
        ("::ffff:192.0.2.1", "192.0.2.7", "::ffff:198.51.100.1"),
    ],
)
async def test_failures_of_one_network_lock_nobody_out_elsewhere(
    redis: Redis, one: str, neighbour: str, elsewhere: str
) -> None:
    limit = LoginLimit(redis, per_email=2, per_address=0)
    assert [await let_in(limit, address=address) for address in (one, one, one, neighbour, elsewhere)] == [
        *(True, True, False, False, True)
    ]


async def test_what_succeeded_is_no_failure_and_is_known_from_then_on(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=2, per_address=0)
    for _ in range(5):
        attempt = await tried(limit)
        assert attempt is not None
        await limit.give_back(attempt, succeeded=True)
    assert attempt is not None
    assert attempt.known
    # Strangers of that network use up its failures, and who was here before is not among them.
    assert [await let_in(limit, address="192.0.2.9") for _ in range(3)] == [True, True, False]
    again = await tried(limit)
    assert again is not None
    assert again.known
    # What is known is the name with the address, neither of them alone.
    other = await tried(limit, "bob@example.com")
    assert other is not None
    assert not other.known


async def test_a_device_gets_through_a_limited_address_and_name(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=2, per_address=2)
    assert [await let_in(limit) for _ in range(3)] == [True, True, False]
    device = digest_of("ada@example.com")
    attempt = await tried(limit, device=device)
    assert attempt is not None
    assert attempt.known
    # It has a limit of its own, and is known under its own name only.
    assert await tried(limit, device=device) is not None
    assert await tried(limit, device=device) is None
    assert await tried(limit, "bob@example.com", "198.51.100.1", device=digest_of("carl@example.com")) == Attempt(
        counter="tidings:logins:failed:" + digest_of("bob@example.com") + ":198.51.100.0",
        mark="tidings:logins:known:" + digest_of("bob@example.com") + ":198.51.100.1",
    )


async def test_so_many_from_one_address(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=0, per_address=3)
    assert [await let_in(limit, f"{n}@example.com") for n in range(5)] == [True, True, True, False, False]
    assert await let_in(limit, address="192.0.2.2")
    # What has no address (a socket of this machine) is not counted together.
    assert [await let_in(limit, address=None) for _ in range(5)] == [True] * 5


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::ffff:1"), ("192.0.2.1", "::ffff:192.0.2.1"), ("fe80::1%eth0", "fe80::2")],
)
async def test_what_one_client_may_choose_is_one_address(redis: Redis, one: str, other: str) -> None:
    limit = LoginLimit(redis, per_email=0, per_address=1)
    assert await let_in(limit, address=one)
    assert not await let_in(limit, address=other)
    assert await let_in(limit, address="2001:db8:0:1::1")


async def test_an_address_that_is_limited_costs_no_name(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=10, per_address=2)
    assert [await let_in(limit) for _ in range(12)] == [True] * 2 + [False] * 10
    [failed] = await redis.keys("tidings:logins:failed:*")
    assert await redis.get(failed) == b"2"


async def test_the_window_ends_a_minute_after_its_first_login(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=1, per_address=0)
    assert await let_in(limit)
    [key] = await redis.keys("tidings:logins:*")
    await redis.pexpire(key, 30_500)
    for _ in range(3):
        with pytest.raises(TooManyLoginsError) as refused:
            await limit.count_name("ada@example.com", "192.0.2.1")
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "31"})
    await redis.pexpire(key, 1)
    await asyncio.sleep(0.01)
    assert await let_in(limit)
    assert 58_000 < await redis.pttl(key) <= 60_000


async def test_logins_at_the_same_moment_are_all_counted(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=10, per_address=0)
    assert sum(await asyncio.gather(*(let_in(limit) for _ in range(40)))) == 10


async def test_a_command_for_the_address_one_for_the_name_and_no_name_in_clear(redis: Redis) -> None:
    limit = LoginLimit(redis, per_email=10, per_address=10)
    await let_in(limit)
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    await let_in(limit)
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] == before + 2
    assert not any(b"ada" in key for key in await redis.keys("*"))


async def test_limits_of_nothing_ask_nobody() -> None:
    unreachable: Redis = Redis.from_url("redis://127.0.0.1:1")
    assert await let_in(LoginLimit(unreachable, per_email=0, per_address=0))


async def post(api: Api, password: str = PASSWORD) -> Answer:
    return await api.post("/api/v1/tokens", {"email": "ada@example.com", "password": password})


async def test_a_guesser_is_held_off(settings: Settings) -> None:
    async with Api.serving(create_app(msgspec.structs.replace(settings, logins_per_email=4))) as api:
        ada = await join(api)
        assert [(await post(api, "a guess, a guess")).status for _ in range(4)] == [401] * 4
        # Now not even the right one is tried.
        refused = await post(api)
        assert refused.status == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        change = {"password": "another password", "current_password": PASSWORD}
        assert (await ada.send("PATCH", "/api/v1/me", change)).status == 429
        assert (await ada.get("/api/v1/me")).status == 200


async def test_accounts_are_not_made_by_the_hundred(settings: Settings) -> None:
    async with Api.serving(create_app(msgspec.structs.replace(settings, logins_per_address=2))) as api:
        statuses = [
            (await api.post("/api/v1/accounts", {"email": f"{n}@example.com", "password": PASSWORD})).status
            for n in range(4)
        ]
        assert statuses == [201, 201, 429, 429]
        await log_in(api, "0@example.com")
        assert (await operator(api).get("/api/v1/users")).body["users"][2:] == []


async def test_without_redis_login_works_and_the_log_says_so(settings: Settings, tmp_path: Path) -> None:
    gone = msgspec.structs.replace(settings, redis_uri=f"unix://{tmp_path}/gone.sock", logins_per_email=1)
    async with Api.serving(create_app(gone)) as api:
        with capture_logs() as logs:
            await join(api)
            for _ in range(3):
                await log_in(api, "ada@example.com")
            assert (await post(api, "a wrong password")).status == 401
    said = [entry for entry in logs if entry["event"] == "logins are not limited while Redis is away"]
    assert len(said) == 11  # two for each of five logins, and a registration, let in all the same
    assert all(entry["log_level"] == "warning" for entry in said)
    assert "ada@" not in str(logs)


async def test_a_redis_that_hangs_costs_a_login_a_second_at_the_most(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr("api.accounts.login_limit.PATIENCE_SECONDS", 0.05)
    server = await asyncio.start_unix_server(silent, tmp_path / "silent.sock")
    hanging = msgspec.structs.replace(settings, redis_uri=f"unix://{tmp_path}/silent.sock")
    async with Api.serving(create_app(hanging)) as api:
        await join(api)
    server.close()
