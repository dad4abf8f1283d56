"""A channel whose attempts are traced; without tracing, channels are used as they are."""

from typing import TYPE_CHECKING

import msgspec

from tidings.channels.base import CanGo, Channel, Result
from tidings.channels.recipient import EndpointKey
from tidings.domain.message import Delivery

if TYPE_CHECKING:
    from tidings.observability.spans import Spans


class TracedChannel(Channel):
    """Wraps another channel."""

    def __init__(self, channel: Channel, spans: "Spans") -> None:
        super().__init__(channel.context)
        self._channel = channel
        self._spans = spans

    def destination(self, delivery: Delivery) -> str:
        return self._channel.destination(delivery)

    def endpoint(self, delivery: Delivery) -> EndpointKey:
        return self._channel.endpoint(delivery)

    @property
    def places_per_destination(self) -> int | None:
        return self._channel.places_per_destination

    def concurrency(self, delivery: Delivery) -> int | None:
        return self._channel.concurrency(delivery)

    def per_hour(self, delivery: Delivery) -> int | None:
        return self._channel.per_hour(delivery)

    def per_second(self, delivery: Delivery) -> int | None:
        return self._channel.per_second(delivery)

    def route(self, delivery: Delivery, can_go: CanGo) -> Delivery:
        return self._channel.route(delivery, can_go)

    @property
    def time_limit(self) -> float:
        return self._channel.time_limit

    async def deliver(self, delivery: Delivery) -> Result:
        with self._spans.delivering(delivery) as (span, headers):
            result = await self._channel.deliver(msgspec.structs.replace(delivery, headers=headers))
            if isinstance(result, Result):
                self._spans.conclude(span, result.outcome, result.status_code)
            return result

    async def close(self) -> None:
        await self._channel.close()
