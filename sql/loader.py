"""The named queries of `sql/queries/*.sql`, with the fragments that several of them share put in."""

import re
from pathlib import Path
from typing import Any, Final

import aiosql

QUERIES_DIR: Final = Path(__file__).parent / "queries"
FRAGMENTS: Final = QUERIES_DIR / "fragments.sql"

_FRAGMENT: Final = re.compile(r"^-- fragment: (\w+)\n(?:--.*\n)*((?:(?!--).*\n)+)", re.MULTILINE)


def load_queries() -> Any:
    """One coroutine function per named query, each taking a connection and the query's named parameters."""
    files = sorted(file for file in QUERIES_DIR.glob("*.sql") if file != FRAGMENTS)
    text = "\n".join(file.read_text("utf-8") for file in files)
    # From the last one up, since a fragment may name those above it.
    for name, fragment in reversed(_FRAGMENT.findall(FRAGMENTS.read_text("utf-8"))):
        text = text.replace(f"{{{name}}}", fragment.strip())
    return aiosql.from_str(text, "asyncpg")
