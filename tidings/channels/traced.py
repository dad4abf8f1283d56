"""A channel whose tries are traced; where nothing is traced, channels are used as they are."""

from typing import TYPE_CHECKING

import msgspec

from tidings.channels.base import Accepted, Channel, Rejected, Result, Retry
from tidings.domain.message import Delivery
from tidings.domain.states import AttemptOutcome

if TYPE_CHECKING:
    from tidings.observability.spans import Spans

_OUTCOMES = {
    Accepted: AttemptOutcome.ACCEPTED,
    Retry: AttemptOutcome.RETRY,
    Rejected: AttemptOutcome.REJECTED,
}


class TracedChannel(Channel):
    """Stands around another channel."""

    def __init__(self, channel: Channel, spans: "Spans") -> None:
        super().__init__(channel.context)
        self._channel = channel
        self._spans = spans

    def destination(self, delivery: Delivery) -> str:
        return self._channel.destination(delivery)

    @property
    def places_per_destination(self) -> int | None:
        return self._channel.places_per_destination

    async def deliver(self, delivery: Delivery) -> Result:
        with self._spans.delivering(delivery) as (span, headers):
            result = await self._channel.deliver(msgspec.structs.replace(delivery, headers=headers))
            if isinstance(result, Result):
                self._spans.conclude(span, _OUTCOMES[type(result)], result.status_code)
            return result

    async def close(self) -> None:
        await self._channel.close()
