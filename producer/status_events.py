"""Makes status events of what was changed: done by the producer that leads.

In play: the table `status_changes`, into which each change is written by the statement that makes it, and `events` and
`messages`, into which it goes from there in one transaction. A crash at any moment leaves a change in one or the other.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from producer.leader import Duty
from sql.events import FanOut
from sql.store import Store
from tidings.channels.installed import channel_names, recipients
from tidings.domain.endpoint import NewEvent
from tidings.domain.ids import new_id
from tidings.domain.message import DEFAULT_QUEUE
from tidings.domain.retry import RetryDefaults
from tidings.domain.status_event import MessageStatus, StatusChange, StatusPayload
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

EVERY_SECONDS: Final = 0.25
"""How late an event may be. An empty round is a look into an empty index."""
AT_ONCE: Final = 500
WEBHOOK: Final = "webhook"


class StatusEvents:
    """The fan-out of status events."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        defaults = RetryDefaults(delays=settings.retry_delays, max_tries=settings.max_tries)
        self._tries = defaults.tries(None, recipients(WEBHOOK).retry_delays)
        self.duties = (Duty(name="status events", every=EVERY_SECONDS, work=self.fan_out),)

    async def fan_out(self) -> None:
        """Makes events of all changes that are there, some hundred in a transaction."""
        taken = AT_ONCE
        while taken == AT_ONCE:
            async with self._store.database.together():
                changes = await self._store.status_events.take(limit=AT_ONCE)
                if changes:
                    await self._keep(changes)
            taken = len(changes)

    async def _keep(self, changes: Sequence[StatusChange]) -> None:
        events = [(_event(change), change) for change in changes]
        await self._store.status_events.keep(
            events, FanOut(queue=DEFAULT_QUEUE, due_at=utc_now(), max_tries=self._tries)
        )


def _event(change: StatusChange) -> NewEvent:
    payload = StatusPayload(
        type=change.type,
        timestamp=change.changed_at,
        sequence=change.sequence,
        data=_shown(change.data) if isinstance(change.data, MessageStatus) else change.data,
    )
    return NewEvent(
        id=new_id(),
        user_id=change.user_id,
        type=change.type,
        payload=msgspec.json.encode(payload).decode(),
        created_at=change.changed_at,
    )


def _shown(status: MessageStatus) -> MessageStatus:
    """With the recipient as the API shows it: some channels keep it sealed."""
    if status.channel not in channel_names():
        return status
    return msgspec.structs.replace(status, recipient=recipients(status.channel).show(status.recipient))
