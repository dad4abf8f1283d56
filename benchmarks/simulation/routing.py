"""Which cell a user's messages go to: the first that lives in an order of the user's own (rendezvous hashing).

The orders are spread evenly, so what a lost cell leaves behind falls to all the others in equal parts, and nobody moves
whose cell is well.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b


@cache
def order(user: int, cells: tuple[str, ...]) -> tuple[str, ...]:
    """The cells of a user: home first, then those that stand in for it."""
    return tuple(sorted(cells, key=lambda cell: blake2b(f"{user} {cell}".encode(), digest_size=8).digest()))


class Routing:
    """The one table that all front doors share."""

    def __init__(self, cells: Sequence[str]) -> None:
        self._cells = tuple(cells)
        self._closed: set[str] = set()

    def home(self, user: int) -> str:
        return order(user, self._cells)[0]

    def cell(self, user: int) -> str:
        """Where a user's new messages go now."""
        return next(cell for cell in order(user, self._cells) if cell not in self._closed)

    def close(self, cell: str) -> None:
        """Nothing new goes there."""
        self._closed.add(cell)

    def open(self, cell: str) -> None:
        self._closed.discard(cell)
