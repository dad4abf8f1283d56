"""Webhook endpoints, as the API changes them and consumers read them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from sql.database import Noun
from sql.rows import retry_delays
from tidings.domain.account import Redacted, Sealed
from tidings.domain.endpoint import MAX_ENDPOINTS, OPERATORS, DisabledReason, Endpoint

_CHANGED: Final = (
    *("url", "description", "customer", "event_types", "labels", "sealed", "rate_limit", "retry_delays", "max_tries"),
)


RECENT: Final = 1000
COUNTED_UP_TO: Final = 100_000
AT_ONCE: Final = 5_000
"""Messages that are woken or cancelled in one statement."""
WOKEN_SECONDS: Final = 5.0
"""When those are due: later than any consumer needs to know that the endpoint is enabled."""


class Seen(msgspec.Struct, frozen=True):
    """What one consumer has seen of an endpoint in the last seconds."""

    id: UUID
    succeeded: bool = False
    """Something was accepted."""
    failed_from: datetime | None = None
    """The first failure since then, or of all."""
    failed_until: datetime | None = None
    """The last one."""
    error: str | None = None
    gone: bool = False
    """The receiver says so."""


class Traffic(msgspec.Struct, frozen=True):
    """What an endpoint has had lately."""

    waiting: int
    """Counted up to `COUNTED_UP_TO`."""
    held: int
    """Of these."""
    sent: int
    """This and the next two of its last `RECENT` messages."""
    failed: int
    cancelled: int
    last_sent_at: datetime | None

    @property
    def success_rate(self) -> float | None:
        """The part that was sent, of those that were tried; None where none was."""
        tried = self.sent + self.failed + self.cancelled
        return self.sent / tried if tried else None


class Unnotified(msgspec.Struct, frozen=True):
    """An endpoint that was disabled by itself, and its owner's address; None: the operator's."""

    endpoint: Endpoint
    email: str | None


class SealedEndpoint(Redacted, frozen=True, kw_only=True):
    """What is kept encrypted of an endpoint."""

    id: UUID
    secret: Sealed
    previous_secret: Sealed | None
    sealed: Sealed | None


class EndpointStore(Noun):
    """The endpoints of all users."""

    async def create(self, endpoint: Endpoint, *, most: int = MAX_ENDPOINTS) -> Endpoint | None:
        """Keeps a new endpoint; None where its owner has as many as one may have."""
        row = await self.database.one(
            "create_endpoint",
            id=endpoint.id,
            user_id=endpoint.user_id,
            owner=endpoint.user_id or OPERATORS,
            secret=endpoint.secret,
            most=most,
            **_columns(endpoint),
        )
        return None if row is None else endpoint_of(row)

    async def get(self, endpoint_id: UUID) -> Endpoint | None:
        """None where there is none."""
        return _or_none(await self.database.one("get_endpoint", id=endpoint_id))

    async def among(self, ids: Sequence[UUID]) -> dict[UUID, Endpoint]:
        """Those of the ids that there are."""
        return {row["id"]: endpoint_of(row) for row in await self.database.rows("get_endpoints", ids=ids)}

    async def list(
        self, user_id: UUID | None, *, of_all: bool, customer: str | None = None, before: UUID | None = None, limit: int
    ) -> Sequence[Endpoint]:
        """Up to `limit` of one owner, or of everybody, older than `before`, the newest first."""
        wanted: dict[str, Any] = {"customer": customer, "before": before, "limit": limit}
        if of_all:
            rows = await self.database.rows("list_endpoints", **wanted)
        else:
            rows = await self.database.rows("list_user_endpoints", owner=user_id or OPERATORS, **wanted)
        return [endpoint_of(row) for row in rows]

    async def lock(self, endpoint_id: UUID) -> Endpoint | None:
        """One endpoint that a transaction is about to change."""
        return _or_none(await self.database.one("lock_endpoint", id=endpoint_id))

    async def change(self, endpoint: Endpoint) -> Endpoint | None:
        """Replaces what a client sets of it; None where it was deleted."""
        return _or_none(await self.database.one("change_endpoint", id=endpoint.id, **_columns(endpoint)))

    async def rotate(self, endpoint_id: UUID, secret: Sealed, *, until: datetime) -> Endpoint | None:
        """Signs with another secret, and until then with the present one too."""
        row = await self.database.one("rotate_endpoint_secret", id=endpoint_id, secret=secret, until=until)
        return _or_none(row)

    async def disable(self, endpoint_id: UUID) -> Endpoint | None:
        """Nothing is sent there any more."""
        return _or_none(await self.database.one("disable_endpoint", id=endpoint_id))

    async def enable(self, endpoint_id: UUID) -> Endpoint | None:
        """It is sent to again; `wake` follows."""
        return _or_none(await self.database.one("enable_endpoint", id=endpoint_id))

    async def wake(self, endpoint_id: UUID) -> int:
        """Makes up to `AT_ONCE` messages due that waited for it to be enabled; returns the count."""
        count: int = await self.database.one("wake_endpoint", id=endpoint_id, seconds=WOKEN_SECONDS, limit=AT_ONCE)
        return count

    async def delete(self, endpoint_id: UUID) -> Endpoint | None:
        """Deletes it; `cancel_waiting` follows."""
        return _or_none(await self.database.one("delete_endpoint", id=endpoint_id))

    async def cancel_waiting(self, endpoint_id: UUID) -> int:
        """Cancels up to `AT_ONCE` messages of an endpoint that was deleted; returns the count.

        Consumers cancel what is left, when it is due.
        """
        count: int = await self.database.one("cancel_at_endpoint", id=endpoint_id, limit=AT_ONCE)
        return count

    async def traffic(self, endpoint_id: UUID) -> Traffic:
        """What waits for it, and what became of its last messages."""
        return Traffic(**await self.database.one("endpoint_traffic", id=endpoint_id, recent=RECENT, most=COUNTED_UP_TO))

    async def to_notify(self, *, limit: int) -> Sequence[Unnotified]:
        """Endpoints that were disabled by themselves, whose owners do not know yet; in a transaction."""
        rows = await self.database.rows("endpoints_to_notify", limit=limit)
        return [
            Unnotified(endpoint_of({name: value for name, value in row.items() if name != "email"}), row["email"])
            for row in rows
        ]

    async def notified(self, ids: Sequence[UUID]) -> None:
        """Their owners know."""
        await self.database.one("owners_notified", ids=ids)

    async def sealed_secrets(self, *, after: UUID, limit: int) -> Sequence[SealedEndpoint]:
        """A page of what is kept encrypted, of the endpoints whose ids come after the given one."""
        rows = await self.database.rows("sealed_endpoint_secrets", after=after, limit=limit)
        return [SealedEndpoint(**row) for row in rows]

    async def reseal(self, resealed: Sequence[tuple[SealedEndpoint, SealedEndpoint]]) -> int:
        """Puts the second of each pair in the place of the first, unless that was changed meanwhile."""
        count: int = await self.database.one(
            "reseal_endpoint_secrets",
            ids=[old.id for old, _ in resealed],
            secrets=[old.secret for old, _ in resealed],
            previous_secrets=[old.previous_secret for old, _ in resealed],
            sealed=[old.sealed for old, _ in resealed],
            new_secrets=[new.secret for _, new in resealed],
            new_previous_secrets=[new.previous_secret for _, new in resealed],
            new_sealed=[new.sealed for _, new in resealed],
        )
        return count

    async def record_health(self, seen: Sequence[Seen], *, disable_after: timedelta) -> dict[UUID, DisabledReason]:
        """Writes how endpoints fare. Returns those that this disables: they are gone, or only fail for that long."""
        rows = await self.database.rows(
            "record_health",
            ids=[each.id for each in seen],
            succeeded=[each.succeeded for each in seen],
            failed_from=[each.failed_from for each in seen],
            failed_until=[each.failed_until for each in seen],
            errors=[each.error for each in seen],
            gone=[each.gone for each in seen],
            disable_after=disable_after,
        )
        return {row["id"]: DisabledReason(row["disabled_reason"]) for row in rows}


def _or_none(row: asyncpg.Record | None) -> Endpoint | None:
    return None if row is None else endpoint_of(row)


def _columns(endpoint: Endpoint) -> dict[str, Any]:
    """What a client sets of it."""
    values = {name: getattr(endpoint, name) for name in _CHANGED}
    values["customer"] = endpoint.customer or ""
    if endpoint.retry_delays is not None:
        values["retry_delays"] = msgspec.json.encode(endpoint.retry_delays).decode()
    return values


def endpoint_of(row: Mapping[str, Any] | asyncpg.Record) -> Endpoint:
    """From the columns of the fragment `endpoint_columns`."""
    values: dict[str, Any] = dict(row)
    values["customer"] = row["customer"] or None
    for name in ("event_types", "labels"):
        values[name] = None if row[name] is None else tuple(row[name])
    values["retry_delays"] = retry_delays(row["retry_delays"])
    values["disabled_reason"] = None if row["disabled_reason"] is None else DisabledReason(row["disabled_reason"])
    return Endpoint(**values)
