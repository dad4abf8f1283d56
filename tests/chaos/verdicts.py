"""What was measured, round by round: one JSON line each, and the table that they add up to."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

import msgspec

HEAD = """\
| # | fault | rounds | failed | messages | lost | most duplicates | allowed then | recovered, worst (median) | allowed |
|---|---|---|---|---|---|---|---|---|---|
"""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One round."""

    row: str
    fault: str
    seed: str
    messages: int
    lost: int
    duplicates: int
    duplicates_allowed: int
    """Measured at the fault: what the receiver had, and nobody had on record."""
    recovery: float | None = None
    """Seconds from the end of the fault until all that was accepted by then was settled; None: nothing is promised."""
    recovery_allowed: float | None = None
    faults: int = 0
    """Contradictions in the books."""
    unfinished: bool = False
    """It never came to its end: something was stuck, or the harness failed."""

    @property
    def failed(self) -> bool:
        late = self.recovery is not None and self.recovery_allowed is not None and self.recovery > self.recovery_allowed
        return bool(self.lost or self.faults or self.unfinished or late or self.duplicates > self.duplicates_allowed)


def append(path: Path, verdict: Verdict) -> None:
    """Several processes may write to the same file: a line is one write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(msgspec.json.encode(verdict) + b"\n")


def read(path: Path) -> list[Verdict]:
    return [msgspec.json.decode(line, type=Verdict) for line in path.read_bytes().splitlines()]


def table(verdicts: Iterable[Verdict]) -> str:
    """Markdown, a line for each kind of fault."""
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault((verdict.row, verdict.fault), []).append(verdict)
    lines = [_line(row, fault, rounds) for (row, fault), rounds in sorted(groups.items(), key=_in_order)]
    return HEAD + "".join(lines)


def _in_order(group: tuple[tuple[str, str], list[Verdict]]) -> tuple[int, str, str]:
    row, fault = group[0]
    digits = "".join(character for character in row if character.isdigit())
    return int(digits), row, fault


def _line(row: str, fault: str, rounds: list[Verdict]) -> str:
    worst = max(rounds, key=lambda verdict: verdict.duplicates)
    cells = [
        row,
        fault,
        len(rounds),
        sum(verdict.failed for verdict in rounds),
        sum(verdict.messages for verdict in rounds),
        sum(verdict.lost for verdict in rounds),
        worst.duplicates,
        worst.duplicates_allowed,
        _recovery(rounds),
        "–" if rounds[0].recovery_allowed is None else f"{rounds[0].recovery_allowed:g} s",
    ]
    return f"| {' | '.join(map(str, cells))} |\n"


def _recovery(rounds: list[Verdict]) -> str:
    seconds = [verdict.recovery for verdict in rounds if verdict.recovery is not None]
    return f"{max(seconds):.1f} s ({median(seconds):.1f} s)" if seconds else "–"
