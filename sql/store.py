"""The one store: whoever needs Postgres goes through here."""

from datetime import timedelta
from typing import Self

from sql.api_keys import ApiKeyStore
from sql.audit import AuditStore
from sql.batches import BatchStore
from sql.changes import ChangeStore
from sql.database import Database
from sql.deletions import DeletionStore
from sql.endpoints import EndpointStore
from sql.events import EventStore
from sql.holds import HoldStore
from sql.maintenance import MaintenanceStore
from sql.messages import MessageStore
from sql.migrate import check_version
from sql.queues import QueueStore
from sql.quotas import QuotaStore
from sql.sessions import SessionStore
from sql.smtp_accounts import SmtpAccountStore
from sql.suppressions import SuppressionStore
from sql.users import UserStore


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
        self.endpoints = EndpointStore(database)
        self.events = EventStore(database)
        self.suppressions = SuppressionStore(database)
        self.smtp_accounts = SmtpAccountStore(database)
        self.maintenance = MaintenanceStore(database)
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

        Raises SchemaError where the schema is not the one that this program knows.
        """
        database = await Database.connect(uri, process=process, size=size)
        database.direct_uri = listen_uri or uri
        return cls(database, lease_seconds=lease_seconds)

    async def ping(self) -> None:
        """Raises where Postgres does not answer."""
        await self.database.one("ping")

    async def check_schema(self) -> None:
        """Raises SchemaError where the database has meanwhile come to another version than this program's."""
        check_version(await self.database.one("schema_version"))

    async def close(self) -> None:
        """Closes every connection."""
        await self.database.close()
