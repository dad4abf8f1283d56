"""The named queries of `sql/queries/*.sql`."""

from pathlib import Path
from typing import Any, Final

import aiosql

QUERIES_DIR: Final = Path(__file__).parent / "queries"


def load_queries() -> Any:
    """One coroutine function per named query, each taking a connection and the query's named parameters."""
    return aiosql.from_path(QUERIES_DIR, "asyncpg")
