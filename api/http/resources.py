"""What handlers share: opened when the application starts, closed in the reverse order when it ends."""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web
from redis.asyncio import Redis

from api.accounts.services import Accounts, open_accounts
from api.accounts.tokens import Tokens
from api.health.readiness import Readiness
from api.messages.intake import Intake
from api.metrics import ApiMetrics
from api.overview.feed import OverviewFeed
from api.overview.figures import Figures
from api.queues.names import QueueNames
from sql.store import Store
from tidings.observability.metrics import MetricsServer
from tidings.redis.connections import connect_redis
from tidings.settings import Settings

SETTINGS: Final = web.AppKey("settings", Settings)
STORE: Final = web.AppKey("store", Store)
REDIS: Final = web.AppKey("redis", Redis)
INTAKE: Final = web.AppKey("intake", Intake)
QUEUE_NAMES: Final = web.AppKey("queue_names", QueueNames)
TOKENS: Final = web.AppKey("tokens", Tokens)
ACCOUNTS: Final = web.AppKey("accounts", Accounts)
READINESS: Final = web.AppKey("readiness", Readiness)
METRICS: Final = web.AppKey("metrics", ApiMetrics)
FIGURES: Final = web.AppKey("figures", Figures)
FEED: Final = web.AppKey("feed", OverviewFeed)

CONNECTIONS: Final = 8
"""To Postgres: a few for the group commits, the others for everything else."""


async def store(app: web.Application) -> AsyncIterator[None]:
    """Waits while Postgres is away. Raises SchemaError where the database is at another version."""
    settings = app[SETTINGS]
    app[STORE] = await Store.connect(
        settings.postgres_uri, process="api", lease_seconds=settings.lease_seconds, size=CONNECTIONS
    )
    yield
    await app[STORE].close()


async def redis(app: web.Application) -> AsyncIterator[None]:
    """For health, and to limit logins; messages are taken whether Redis is there or not."""
    app[REDIS] = connect_redis(app[SETTINGS], socket_timeout=2.0)
    app[READINESS] = Readiness(app[STORE], app[REDIS])
    yield
    await app[REDIS].aclose()


async def accounts(app: web.Application) -> AsyncIterator[None]:
    """Closed before the store and Redis are."""
    app[ACCOUNTS] = open_accounts(app[SETTINGS], app[STORE], app[REDIS], app[TOKENS])
    yield
    await app[ACCOUNTS].close()


async def intake(app: web.Application) -> AsyncIterator[None]:
    """Flushed before the store closes."""
    app[INTAKE] = Intake(app[STORE].messages.insert)
    app[QUEUE_NAMES] = QueueNames(app[STORE].queues)
    yield
    await app[INTAKE].close()


async def metrics(app: web.Application) -> AsyncIterator[None]:
    """Shown at METRICS_PORT too, where that is set. Raises SettingsError where it is taken."""
    app[METRICS].watch(app[STORE], app[READINESS])
    server = MetricsServer(app[METRICS].registry, app[SETTINGS])
    try:
        await server.start()
        yield
    finally:
        await server.stop()


async def figures(app: web.Application) -> AsyncIterator[None]:
    """For the overview, which is made only while somebody asks."""
    app[FIGURES] = Figures(app[STORE], app[REDIS], app[READINESS])
    app[FEED] = OverviewFeed(whole=app[FIGURES].whole, recent=app[FIGURES].recent)
    yield


async def end_streams(app: web.Application) -> None:
    """When the process stops: answers that would never end."""
    app[FEED].close()
