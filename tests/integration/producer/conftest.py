"""A store whose server behaves as a test says."""

from datetime import timedelta

import msgspec
import pytest

from sql.batches import Expired
from sql.store import Store

PAST_THE_START = timedelta(hours=-1)


class SteeredStore(Store):
    """A store whose server seems to have been up for long, and to have been paused when told so."""

    stalled = timedelta()

    def __init__(self, store: Store) -> None:
        super().__init__(store.database, lease_seconds=10)
        look = self.batches.expired

        async def expired(*, limit: int) -> Expired:
            seen = await look(limit=limit)
            return msgspec.structs.replace(
                seen, seen_at=seen.seen_at + self.stalled, server_started_at=seen.server_started_at + PAST_THE_START
            )

        self.batches.expired = expired  # type: ignore[method-assign]


@pytest.fixture
def steered(store: Store) -> SteeredStore:
    return SteeredStore(store)
