"""The schema, brought up to this program's version by whoever sits at the command line."""

import asyncpg

from sql.migrate import migrate
from tidings.errors import StoreUnavailableError


async def bring_up_to_date(postgres_uri: str) -> list[str]:
    """Applies what is missing and returns the names of it.

    Raises SchemaError where the database is newer than this program, StoreUnavailableError where it does not answer.
    """
    try:
        return await migrate(postgres_uri)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise StoreUnavailableError(f"Postgres does not answer: {error}") from error
    except (asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError, asyncpg.InterfaceError) as error:
        raise StoreUnavailableError(f"Postgres refuses: {error}") from error
