"""What nobody may read: not in an answer, a log, a representation, Postgres or Redis."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from aiohttp import web
from redis.asyncio import Redis

from api.http.resources import ACCOUNTS, REDIS, STORE
from tests.integration.api.accounts.people import PASSWORD, SMTP, Person, log_in, operator
from tests.integration.api.client import Api
from tidings.domain.api_key import Scope
from tidings.observability.logs import configure_logging
from tidings.settings import Settings

ADA = {"email": "ada@example.com", "password": PASSWORD, "smtp": SMTP}
NEW_PASSWORD = "a password that is new"
WRONG_PASSWORD = "a password that is wrong"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, at the level that says most."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging("api", "DEBUG", stream=stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_secret_comes_to_light(app: web.Application, api: Api, log: io.StringIO, settings: Settings) -> None:
    answers: list[object] = []
    secrets = [PASSWORD, NEW_PASSWORD, WRONG_PASSWORD, str(SMTP["password"])]

    async def note(who: Person, method: str, path: str, body: object = None) -> None:
        answers.append((await who.send(method, path, body)).body)

    await note(operator(api), "POST", "/api/v1/accounts", ADA)
    ada = await log_in(api, "ada@example.com")
    program = await ada.key(scopes=list(Scope))
    secret = (await ada.post("/api/v1/me/webhook-secret/rotate")).body["secret"]
    older = (await ada.post("/api/v1/me/webhook-secret/rotate")).body["secret"]
    secrets += [ada.credential, program.credential, secret, older]
    wrong = {"password": NEW_PASSWORD, "current_password": WRONG_PASSWORD}
    for who, method, path, body in (
        (ada, "POST", "/api/v1/tokens", {"email": "ada@example.com", "password": WRONG_PASSWORD}),
        (ada, "POST", "/api/v1/tokens", {"email": "ada@example.com", "password": PASSWORD, "more": 1}),
        (ada, "POST", "/api/v1/accounts", ADA),
        (ada, "PATCH", "/api/v1/me", wrong),
        (ada, "PATCH", "/api/v1/me", {**wrong, "current_password": PASSWORD}),
        (program, "PATCH", "/api/v1/me", {"smtp": {**SMTP, "host": "no host"}}),
        (program, "GET", "/api/v1/me", None),
        (program, "GET", "/api/v1/api-keys", None),
        (operator(api), "GET", "/api/v1/users", None),
        (ada, "GET", "/api/v1/me", None),
    ):
        await note(who, method, path, body)
    await app[ACCOUNTS].last_use.flush()

    signed_by = [settings.secret_key, settings.secret_keys[0], settings.api_key]
    user = await app[ACCOUNTS].users.get(ada.id) if ada.id else None
    logins = app[ACCOUNTS].logins
    login = await logins.log_in(email="ada@example.com", password=NEW_PASSWORD, address=None)
    stores = {
        "answers": str(answers),
        "log": log.getvalue(),
        "representations": f"{user!r} {settings!r} {app[ACCOUNTS]!r} {login!r}",
        "Postgres": await everything_in_postgres(app),
        "Redis": await everything_in_redis(app[REDIS]),
    }
    assert "ada@example.com" in stores["answers"]
    assert "ada@example.com" in stores["Postgres"]
    assert "tidings:logins:" in stores["Redis"]
    for place, content in stores.items():
        for value in (*secrets, *signed_by, login.token):
            assert value not in content, place


async def everything_in_postgres(app: web.Application) -> str:
    store = app[STORE]
    async with store.database.pool.acquire() as connection:
        tables = await connection.fetch("SELECT relname FROM pg_stat_user_tables ORDER BY relname")
        parts = [str(await connection.fetch(f"SELECT * FROM {table['relname']}")) for table in tables]
    return " ".join(parts)


async def everything_in_redis(redis: Redis) -> str:
    return " ".join([f"{key.decode()} {await redis.dump(key)!r}" for key in await redis.keys("*")])
