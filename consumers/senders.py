"""The users that messages are sent for: their SMTP accounts and signing secrets, sealed as Postgres keeps them."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from consumers.cache import LIFE_SECONDS, RowCache
from tidings.domain.account import Sender


class SenderCache(RowCache[Sender]):
    """Caches users, read through `read` many at a time."""

    def __init__(
        self,
        read: Callable[[Sequence[UUID]], Awaitable[dict[UUID, Sender]]],
        *,
        clock: Callable[[], float],
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        super().__init__(read, noun="user", clock=clock, life_seconds=life_seconds)
