"""Queues: streams of messages with their own pace and on/off switch, the same for every process."""

from typing import Any

import msgspec

from sql.database import Noun
from tidings.domain.message import Queue
from tidings.domain.retry import RetryDelays
from tidings.observability.reports import Depth


class QueueStore(Noun):
    """The queue side of the store. Postgres notifies the producers of every change."""

    async def list(self) -> list[Queue]:
        """All queues, by name."""
        return [_queue(dict(row)) for row in await self.database.rows("list_queues")]

    async def get(self, name: str) -> Queue | None:
        """One queue, or None where there is none of that name."""
        row = await self.database.one("get_queue", name=name)
        return None if row is None else _queue(dict(row))

    async def put(
        self,
        name: str,
        *,
        active: bool | None,
        interval_seconds: float,
        batch_size: int | None,
        retry: RetryDelays | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> tuple[Queue, bool]:
        """Makes a queue or changes it; returns it, and whether it is new.

        Where `active` is None the queue stays on or off, a new one is on. Where `retry` is unset it stays as it is.
        """
        row = dict(
            await self.database.one(
                "put_queue",
                name=name,
                active=active,
                interval_seconds=interval_seconds,
                batch_size=batch_size,
                keep_retry=retry is msgspec.UNSET,
                retry=msgspec.json.encode(retry).decode() if isinstance(retry, RetryDelays) else None,
            )
        )
        created: bool = row.pop("created")
        return _queue(row), created

    async def pace_at_first(self, name: str, *, interval_seconds: float, per_interval: int) -> bool:
        """Paces a queue, unless it was given a pace before; returns whether it did."""
        paced = await self.database.one(
            "pace_queue_at_first", name=name, interval_seconds=interval_seconds, per_interval=per_interval
        )
        return paced is not None

    async def set_active(self, name: str, *, active: bool) -> tuple[Queue, bool] | None:
        """Starts or stops a queue; returns it, and whether that changed anything. None where there is none."""
        record = await self.database.one("set_queue_active", name=name, active=active)
        if record is None:
            return None
        row = dict(record)
        changed: bool = row.pop("changed")
        return _queue(row), changed

    async def depths(self, *, limit: int) -> dict[str, Depth]:
        """What each queue holds; what is due and what is not, each counted up to the limit at each priority."""
        rows = await self.database.rows("queue_depths", limit=limit, queues=None, off_too=True)
        return {row["queue"]: Depth(row["due"], row["later"], row["processing"]) for row in rows}


def _queue(row: dict[str, Any]) -> Queue:
    retry = row.pop("retry")
    return Queue(**row, retry=None if retry is None else msgspec.json.decode(retry, type=RetryDelays))
