"""Meters: CPU time and memory of processes, commands that Redis got, statements that Postgres ran.

CPU time is the kernel's count for a process, its children and those that have ended (Postgres starts a process per
connection), in ticks of 10 ms: over less than a second it says little.

Redis counts its own commands (`INFO commandstats`), those inside of scripts too. Postgres counts transactions, but
statements only with `pg_stat_statements`, which the embedded one does not have; so it is told to log each statement,
and the lines are counted. That costs time: statements are never counted where time is measured.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from redis.asyncio import Redis

_STATEMENT: Final = re.compile(r"^.* LOG:  (?:execute [^:]*|statement): \s*(\S.*)", re.MULTILINE)
_OURS: Final = frozenset({"info", "config|resetstat", "flushall", "client|setinfo"})
"""What the meters themselves send, and what a client says at its start."""


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and of all it ever started."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


class RedisMeter:
    """Commands since `start`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def start(self) -> None:
        await self._redis.config_resetstat()

    async def commands(self) -> Counter[str]:
        """How often each command ran."""
        stats = await self._redis.info("commandstats")
        named = {name.removeprefix("cmdstat_"): int(values["calls"]) for name, values in stats.items()}
        return Counter({name: calls for name, calls in named.items() if name not in _OURS})

    async def used_mb(self) -> float:
        """What Redis holds, in MB."""
        return float((await self._redis.info("memory"))["used_memory"]) / 1e6


class PostgresMeter:
    """Statements in a server's log since `start`, of sessions that began after it."""

    def __init__(self, uri: str, log: Path) -> None:
        self._uri = uri
        self._log = log
        self._from = 0

    async def start(self) -> None:
        connection = await asyncpg.connect(self._uri)
        name = await connection.fetchval("SELECT quote_ident(current_database())")
        await connection.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
        await connection.execute(f"ALTER DATABASE {name} SET log_parameter_max_length = 0")
        await connection.close()

    def mark(self) -> None:
        """Counts from now on."""
        self._from = self._log.stat().st_size

    def statements(self) -> Counter[str]:
        """How often each statement ran, by the beginning of its text."""
        with self._log.open("rb") as file:
            file.seek(self._from)
            text = file.read().decode("utf-8", "replace")
        return Counter(line[:60] for line in _STATEMENT.findall(text))
