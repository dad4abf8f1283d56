"""What handlers share: opened when the application starts, closed in the reverse order when it ends."""

from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiohttp import web
from redis.asyncio import Redis

from api.accounts.services import Accounts, open_accounts
from api.accounts.tokens import Tokens
from api.endpoints.endpoints import Endpoints
from api.events.reading import StatusStreams
from api.health.readiness import Readiness
from api.http.group_commit import GroupCommit
from api.messages.intake import Intake
from api.messages.senders import MailSenders
from api.messages.texts import Texts
from api.messages.validation import KnownQueues
from api.metrics import ApiMetrics
from api.overview.feed import OverviewFeed
from api.overview.overview import Overviews
from api.quotas.quotas import Quotas, open_quotas
from api.receipts.gateways import ReportingGateways
from sql.gateways import KnownGateways
from sql.receipts import Kept, NewReceipt
from sql.store import Store
from tidings.channels.sms.configured import configured_gateways
from tidings.domain.errors import StoreRefusedError
from tidings.domain.retry import RetryDefaults
from tidings.observability.metrics import MetricsServer
from tidings.redis.connections import connect_redis
from tidings.redis.refusals import check
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

log = structlog.get_logger(__name__)

SETTINGS: Final = web.AppKey("settings", Settings)
STORE: Final = web.AppKey("store", Store)
REDIS: Final = web.AppKey("redis", Redis)
INTAKE: Final = web.AppKey("intake", Intake)
RETRIES: Final = web.AppKey("retries", RetryDefaults)
KNOWN_QUEUES: Final = web.AppKey("known_queues", KnownQueues)
REPORTING: Final = web.AppKey("reporting", ReportingGateways)
MAIL_SENDERS: Final = web.AppKey("mail_senders", MailSenders)
GATEWAYS: Final = web.AppKey("gateways", KnownGateways)
TEXTS: Final = web.AppKey("texts", Texts)
ENDPOINTS: Final = web.AppKey("endpoints", Endpoints)
TOKENS: Final = web.AppKey("tokens", Tokens)
ACCOUNTS: Final = web.AppKey("accounts", Accounts)
READINESS: Final = web.AppKey("readiness", Readiness)
QUOTAS: Final = web.AppKey("quotas", Quotas)
METRICS: Final = web.AppKey("metrics", ApiMetrics)
OVERVIEWS: Final = web.AppKey("overviews", Overviews)
RECEIPTS: Final = web.AppKey("receipts", GroupCommit[NewReceipt, Kept])
FEED: Final = web.AppKey("feed", OverviewFeed)
STATUS_STREAMS: Final = web.AppKey("status_streams", StatusStreams)

CONNECTIONS: Final = 8
"""To Postgres: a few for the group commits, the others for everything else."""

RECEIPT_COMMITS: Final = 2
"""Of receipts, at once: they leave connections to the messages that come in."""

PATIENCE_SECONDS: Final = 10.0
"""The longest that a request waits for a Postgres that takes no connections."""


async def store(app: web.Application) -> AsyncIterator[None]:
    """Waits while Postgres is away. Raises SchemaError where the database does not fit."""
    settings = app[SETTINGS]
    app[STORE] = await Store.connect(
        settings.postgres_uri,
        process="api",
        lease_seconds=settings.lease_seconds,
        size=CONNECTIONS,
        listen_uri=settings.postgres_listen_uri,
    )
    app[STORE].database.patience = PATIENCE_SECONDS
    yield
    await app[STORE].close()


async def redis(app: web.Application) -> AsyncIterator[None]:
    """For health, and to limit logins; messages are accepted without Redis too."""
    app[REDIS] = connect_redis(app[SETTINGS], socket_timeout=2.0)
    try:
        await check(app[REDIS])
    except StoreRefusedError as error:
        log.warning("messages are accepted, and not delivered", error=str(error))
    app[READINESS] = Readiness(app[STORE], app[REDIS])
    yield
    await app[REDIS].aclose()


async def accounts(app: web.Application) -> AsyncIterator[None]:
    """Closed before the store and Redis are."""
    app[ACCOUNTS] = open_accounts(app[SETTINGS], app[STORE], app[REDIS], app[TOKENS])
    yield
    await app[ACCOUNTS].close()


async def quotas(app: web.Application) -> AsyncIterator[None]:
    """Closed after the last message was kept or refused."""
    app[QUOTAS] = open_quotas(app[SETTINGS], app[STORE].quotas, app[REDIS])
    yield
    await app[QUOTAS].close()


async def intake(app: web.Application) -> AsyncIterator[None]:
    """Flushed before the store closes."""
    app[INTAKE] = Intake(app[STORE].messages.insert)
    app[ENDPOINTS] = Endpoints(app[SETTINGS])
    app[RETRIES] = RetryDefaults(delays=app[SETTINGS].retry_delays, max_tries=app[SETTINGS].max_tries)
    app[KNOWN_QUEUES] = KnownQueues(app[STORE].queues)
    app[GATEWAYS] = KnownGateways(app[STORE].gateways, configured_gateways(app[SETTINGS].sms_gateways))
    app[TEXTS] = Texts(app[GATEWAYS], app[SETTINGS])
    app[MAIL_SENDERS] = MailSenders(app[STORE].users.senders, app[SETTINGS])
    app[RECEIPTS] = GroupCommit(app[STORE].receipts.record, what="receipts", concurrency=RECEIPT_COMMITS)
    app[REPORTING] = ReportingGateways(app[GATEWAYS], SecretBox(app[SETTINGS].secret_keys))
    yield
    await app[RECEIPTS].close()
    await app[INTAKE].close()


async def metrics(app: web.Application) -> AsyncIterator[None]:
    """Shown at METRICS_PORT too, where that is set. Raises SettingsError where it is taken."""
    app[METRICS].receipts_waiting = lambda: app[RECEIPTS].waiting
    app[METRICS].watch(app[STORE], app[READINESS])
    server = MetricsServer(app[METRICS].registry, app[SETTINGS])
    try:
        await server.start()
        yield
    finally:
        await server.stop()


async def overviews(app: web.Application) -> AsyncIterator[None]:
    """For the overview, which is made only on request, and for streams of status events."""
    app[OVERVIEWS] = Overviews(app[STORE], app[REDIS], app[READINESS])
    app[FEED] = OverviewFeed(whole=app[OVERVIEWS].whole, recent=app[OVERVIEWS].recent)
    app[STATUS_STREAMS] = StatusStreams(app[STORE].status_events, app[STORE].database)
    yield


async def end_streams(app: web.Application) -> None:
    """On shutdown: ends the streams, which would never end by themselves."""
    app[FEED].close()
    app[STATUS_STREAMS].close()
