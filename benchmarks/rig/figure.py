"""What a figure is: a measurement that gives numbers, and goals that hold some of them against others.

A ratio is taken within a round, where both sides ran minutes apart on the same machine; then the median over the rounds
is what counts. The median of a ratio is not the ratio of the medians: on a noisy machine it is the more honest one.
"""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from benchmarks.rig.machine import Machine

Numbers = Mapping[str, float]
"""What one round gave: each name says what was measured, and its unit in brackets."""

T = TypeVar("T")


class Round:
    """One round on a machine. What several figures measure alike is measured once."""

    def __init__(self, machine: Machine, *, quick: bool, large: bool = False) -> None:
        self.machine = machine
        self.quick = quick
        self.large = large
        """Whether the largest sizes are asked for, which take long and much of a disk."""
        self._measured: dict[object, object] = {}

    def pick(self, full: T, quick: T) -> T:
        """A size: the real one, or the one of a smoke run."""
        return quick if self.quick else full

    async def once(self, measure: "Callable[[Round], Awaitable[T]]") -> T:
        """What `measure` answers, measured at its first use in this round."""
        if measure not in self._measured:
            self._measured[measure] = await measure(self)
        return self._measured[measure]  # type: ignore[return-value]


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """One number, or the ratio of two, and what it is to reach."""

    what: str
    measured: str
    """Name of a number."""
    reference: str | None = None
    """Name of the number that it is divided by."""
    at_least: float | None = None
    at_most: float | None = None

    def value(self, numbers: Numbers) -> float | None:
        """In one round; None where the round did not measure it."""
        measured = numbers.get(self.measured)
        if self.reference is None or measured is None:
            return measured
        reference = numbers.get(self.reference)
        return measured / reference if reference else None

    def reached(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def limit(self) -> str:
        """`≥ 0.9`, as a reader writes it."""
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    number: int
    title: str
    measure: Callable[[Round], Awaitable[Numbers]]
    goals: Sequence[Goal]
    rounds: int | None = None
    """How many rounds at the most, where one has its repetitions inside."""


class Result(msgspec.Struct, frozen=True):
    """What all rounds of one figure gave."""

    figure: Figure
    rounds: Sequence[Numbers]

    def numbers(self) -> dict[str, list[float]]:
        """Every number with its values, one for each round that measured it."""
        values: dict[str, list[float]] = {}
        for numbers in self.rounds:
            for name, value in numbers.items():
                values.setdefault(name, []).append(value)
        return values

    def value(self, goal: Goal) -> float | None:
        """The median over the rounds."""
        values = [value for numbers in self.rounds if (value := goal.value(numbers)) is not None]
        return statistics.median(values) if values else None

    def median(self, name: str) -> float | None:
        values = self.numbers().get(name)
        return statistics.median(values) if values else None
