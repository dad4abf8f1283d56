"""The schema, brought up to this program's version by whoever sits at the command line."""

from sql.migrate import migrate
from tidings.cli.store import said_plainly


async def bring_up_to_date(postgres_uri: str) -> list[str]:
    """Applies what is missing and returns the names of it.

    Raises SchemaError where the database is newer than this program, StoreUnavailableError where it does not answer.
    """
    with said_plainly():
        return await migrate(postgres_uri)
