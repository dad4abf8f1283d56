"""`tidings doctor`: checks settings, stores and processes from where it runs, and says how to mend what is wrong.

It changes nothing but a key of its own in Redis, and needs neither a running API nor a schema of this version.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sql.diagnosis import Diagnosis
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.doctor import configuration, postgres, redis
from tidings.cli.doctor.finding import Finding, Level, failure, ok
from tidings.cli.printing import print_json
from tidings.domain.errors import SettingsError
from tidings.runtime.stores import resolve
from tidings.settings import Settings, load

STYLES: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "bold red"}
SIGNS: Final = {Level.OK: "✓", Level.WARNING: "!", Level.FAILURE: "✗"}


def examine(*, url: str | None, as_json: bool) -> int:
    """Prints what it finds; 1 where there is a failure."""
    findings = asyncio.run(findings_of(url=url))
    if as_json:
        print_json({"findings": findings})
    else:
        _print(findings)
    return 1 if any(finding.level is Level.FAILURE for finding in findings) else 0


async def findings_of(*, url: str | None) -> list[Finding]:
    """All findings; one only, where the settings cannot be read."""
    try:
        settings = resolve(load())
    except SettingsError as error:
        name, _, reason = str(error).partition(": ")
        return [failure("settings", str(error), f"set {name} right" if reason else "see docs/settings.md")]
    found = list(configuration.examine(settings))
    in_postgres, (in_redis, seen), api = await asyncio.gather(
        postgres.examine(settings), redis.examine(settings), _api(url or _own_address(settings))
    )
    well = all(finding.level is not Level.FAILURE for finding in in_postgres)
    busy, leads = await _at_work(settings) if well else (None, None)
    return [*found, *in_postgres, *in_redis, *redis.processes(seen, busy=busy, leads=leads), api]


async def _api(url: str) -> Finding:
    try:
        async with ApiClient(url) as api:
            await api.get("/health/live")
    except ApiError as error:
        return failure("api", str(error), "`tidings api`, or `tidings up`; --url says where another one is")
    return ok("api", f"alive at {url}")


async def _at_work(settings: Settings) -> tuple[bool | None, bool | None]:
    """Whether a consumer is at work and a producer leads, as Postgres sees it; None where it does not say."""
    try:
        async with Diagnosis.of(settings.postgres_uri, timeout=postgres.PATIENCE_SECONDS) as diagnosis:
            return await diagnosis.under_way(), await diagnosis.anybody_leads()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None, None


def _own_address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  asked, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _print(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        style = STYLES[finding.level]
        said = Text(finding.says)
        if finding.mend:
            said.append(f"\n→ {finding.mend}", style="bold")
        table.add_row(Text(SIGNS[finding.level], style=style), Text(finding.check, style=style), said)
    console.print(Padding(table, (0, 0, 1, 0)))
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    console.print(", ".join(f"{level}: {count}" for level, count in counts.items()))
