"""The one store: whoever needs Postgres goes through here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Final, Self

import structlog

from sql.api_keys import ApiKeyStore
from sql.audit import AuditStore
from sql.batches import BatchStore
from sql.changes import ChangeStore
from sql.database import AWAY, Database
from sql.deletions import DeletionStore
from sql.endpoints import EndpointStore
from sql.events import EventStore
from sql.gateways import GatewayStore
from sql.holds import HoldStore
from sql.maintenance import MaintenanceStore
from sql.marker import MarkerStore
from sql.messages import MessageStore
from sql.migrate import check_version
from sql.queues import QueueStore
from sql.quotas import QuotaStore
from sql.receipts import ReceiptStore
from sql.sessions import SessionStore
from sql.smtp_accounts import SmtpAccountStore
from sql.status_events import StatusEventStore
from sql.suppressions import SuppressionStore
from sql.users import UserStore
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import SchemaError, TooOldError

log = structlog.get_logger(__name__)

SCHEMA_SECONDS: Final = 10.0
"""How often a process that runs asks whether the schema still allows it."""


class Store:
    """One connection pool and the nouns that live in it."""

    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        self.database = database
        self.messages = MessageStore(database)
        self.changes = ChangeStore(database, self.messages)
        self.batches = BatchStore(database, lease=timedelta(seconds=lease_seconds))
        self.queues = QueueStore(database)
        self.quotas = QuotaStore(database)
        self.holds = HoldStore(database)
        self.receipts = ReceiptStore(database)
        self.gateways = GatewayStore(database)
        self.endpoints = EndpointStore(database)
        self.status_events = StatusEventStore(database)
        self.events = EventStore(database)
        self.suppressions = SuppressionStore(database)
        self.smtp_accounts = SmtpAccountStore(database)
        self.maintenance = MaintenanceStore(database)
        self.marker = MarkerStore(database)
        self.users = UserStore(database)
        self.deletions = DeletionStore(database)
        self.api_keys = ApiKeyStore(database)
        self.sessions = SessionStore(database)
        self.audit = AuditStore(database)

    @classmethod
    async def connect(
        cls, uri: str, *, process: str, lease_seconds: float, size: int = 4, listen_uri: str = ""
    ) -> Self:
        """Opens the store for a process, waiting while Postgres is away; up to `size` connections.

        `listen_uri` leads to the same Postgres past a pooler.

        Raises SchemaError where the schema does not fit this program, StoreRefusedError where Postgres refuses this
        process.
        """
        database = await Database.connect(uri, process=process, size=size, direct_uri=listen_uri)
        return cls(database, lease_seconds=lease_seconds)

    async def ping(self) -> None:
        """Raises where Postgres does not answer."""
        await self.database.one("ping")

    async def check_schema(self) -> None:
        """Raises SchemaError where the database has meanwhile come to a version that does not fit this program."""
        ask = self.database.one
        await check_version(partial(ask, "schema_version"), partial(ask, "oldest_program"))

    @asynccontextmanager
    async def serving(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """A block in which a process serves. `stop` is set once the schema no longer allows this program.

        Then TooOldError is raised after the block.
        """
        watching = asyncio.create_task(self._until_too_old(), name="schema")
        watching.add_done_callback(lambda _: stop.set())
        try:
            yield
        finally:
            if not watching.done():
                await cancel_and_wait(watching)
        if not watching.cancelled():
            watching.result()

    async def _until_too_old(self) -> None:
        while True:
            await asyncio.sleep(SCHEMA_SECONDS)
            try:
                await self.check_schema()
            except AWAY:
                # Whoever needs Postgres says so.
                continue
            except TooOldError as error:
                log.error("stops: this program is too old for the schema", reason=str(error))  # noqa: TRY400
                raise
            except SchemaError as error:
                # A backup from before a migration was restored, say: readiness tells it, and what fits goes on.
                log.warning("the schema does not fit this program", reason=str(error))

    async def close(self) -> None:
        """Closes every connection."""
        await self.database.close()
