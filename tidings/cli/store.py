"""Postgres, for the length of one command; where it does not answer at once, one line says why."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from sql.connecting import connect
from sql.migrate import migrate
from sql.store import Store
from tidings.domain.errors import StoreUnavailableError
from tidings.runtime.stores import resolve
from tidings.settings import Settings


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """The store. Raises StoreUnavailableError, and SchemaError where it does not fit this program."""
    uri = resolve(settings).postgres_uri
    with plain_errors():
        # A process waits for a Postgres that is away; a command fails at once.
        await (await connect(uri)).close()
        store = await Store.connect(uri, process="command", lease_seconds=settings.lease_seconds, size=1)
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raises StoreUnavailableError where Postgres does not answer or refuses."""
    try:
        yield
    except (OSError, asyncpg.PostgresConnectionError) as error:
        raise StoreUnavailableError(f"Postgres does not answer: {error}") from error
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InterfaceError) as error:
        raise StoreUnavailableError(f"Postgres refuses: {error}") from error


async def bring_up_to_date(postgres_uri: str, listen_uri: str = "") -> list[str]:
    """Applies what is missing and returns the names of it.

    Raises SchemaError where the database takes no program this old or a table stays locked, StoreUnavailableError where
    it does not answer.
    """
    with plain_errors():
        return await migrate(listen_uri or postgres_uri, past_pooler=bool(listen_uri))
