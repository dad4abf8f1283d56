"""What a drill found: pure arithmetic over what was accepted, what arrived and what the API says of the rest."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidings.cli.drill.victims import Victim
from tidings.domain.states import Status

SHOWN: Final = 10
"""Lost canaries that are named."""


class Canary(msgspec.Struct, frozen=True):
    """A canary that the API accepted."""

    number: int
    id: str
    accepted_at: float
    """When its 2xx came, Unix seconds."""


class Lateness(msgspec.Struct, frozen=True):
    """Seconds from the API's yes to the first arrival."""

    median: float
    p99: float
    longest: float


class DrillReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one drill found."""

    accepted: int
    delivered: int
    duplicates: int
    """Arrivals beyond the first of each canary."""
    cancelled: int
    """Not delivered, and visibly so."""
    lost: Sequence[int]
    """Numbers of the canaries that did not arrive, and that the API calls sent or does not know."""
    late: Sequence[int]
    """Numbers of those that were still on their way when the drill stopped waiting."""
    lateness: Lateness | None
    """None where nothing arrived."""
    killed: Sequence[str]
    recovered_seconds: float | None
    """From the kill until all that was accepted before it had arrived; None without a kill, or where it never did."""


def report(
    canaries: Sequence[Canary],
    arrivals: Mapping[str, Sequence[float]],
    fates: Mapping[str, Mapping[str, Any]],
    *,
    killed_at: float | None,
    victims: Sequence[Victim],
) -> DrillReport:
    """`fates` has the API's answer for the canaries that did not arrive, without those that it does not know."""
    missing = [canary for canary in canaries if canary.id not in arrivals]
    statuses = {canary.number: fates.get(canary.id, {}).get("status") for canary in missing}
    waits = sorted(max(arrivals[c.id][0] - c.accepted_at, 0.0) for c in canaries if c.id in arrivals)
    gone = [number for number, status in statuses.items() if status in {None, Status.SENT}]
    cancelled = [number for number, status in statuses.items() if status == Status.CANCELLED]
    return DrillReport(
        accepted=len(canaries),
        delivered=len(waits),
        duplicates=sum(len(arrivals[c.id]) - 1 for c in canaries if c.id in arrivals),
        cancelled=len(cancelled),
        lost=sorted(gone),
        late=sorted(statuses.keys() - {*gone, *cancelled}),
        lateness=Lateness(_share(waits, 0.5), _share(waits, 0.99), waits[-1]) if waits else None,
        killed=[str(victim) for victim in victims] if killed_at is not None else [],
        recovered_seconds=None if killed_at is None else _recovered(canaries, arrivals, killed_at),
    )


def print_report(found: DrillReport, *, as_json: bool) -> None:
    """On standard output: a table, or one line of JSON."""
    if as_json:
        sys.stdout.write(f"{msgspec.json.encode(found).decode()}\n")
        return
    table = Table(box=None, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in _lines(found):
        table.add_row(name, value)
    Console().print(table)


def _lines(found: DrillReport) -> list[tuple[str, Text]]:
    lines = [
        ("killed", Text(", ".join(found.killed) or "nothing")),
        ("accepted", Text(str(found.accepted))),
        ("delivered", Text(str(found.delivered))),
        ("lost", _alarm(found.lost)),
        ("duplicates", Text(str(found.duplicates))),
    ]
    if found.cancelled:
        lines.append(("cancelled", Text(str(found.cancelled), "yellow")))
    if found.late:
        lines.append(("still on their way", _alarm(found.late)))
    if found.lateness is not None:
        late = found.lateness
        spread = f"median {late.median:.3f} s, p99 {late.p99:.3f} s, longest {late.longest:.3f} s"
        lines.append(("lateness", Text(spread)))
    if found.recovered_seconds is not None:
        lines.append(("recovered after", Text(f"{found.recovered_seconds:.1f} s")))
    return lines


def _alarm(numbers: Sequence[int]) -> Text:
    if not numbers:
        return Text("0", "green")
    named = ", ".join(map(str, numbers[:SHOWN])) + (", …" if len(numbers) > SHOWN else "")
    return Text(f"{len(numbers)} (canaries {named})", "bold red")


def _recovered(canaries: Sequence[Canary], arrivals: Mapping[str, Sequence[float]], killed_at: float) -> float | None:
    before = [canary.id for canary in canaries if canary.accepted_at <= killed_at]
    if any(message_id not in arrivals for message_id in before):
        return None
    return max([0.0, *(arrivals[message_id][0] - killed_at for message_id in before)])


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
