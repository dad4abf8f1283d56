"""What a channel is: one small class that delivers one kind of message, and says how that ended.

A channel holds no state that matters after a crash: the dispatcher records what it returns.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

import msgspec

from tidings.channels.http.transport import Transport
from tidings.channels.recipient import Recipients
from tidings.domain.account import Sender
from tidings.domain.message import Delivery
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The far side took the message."""

    provider_message_id: str | None = None
    """The far side's own id of the message, where it gives one."""
    status_code: int | None = None
    answer: bytes = b""


class Retry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It did not work now, and may work later."""

    error: str
    delay: float | None = None
    """Seconds that the far side asks us to wait (`Retry-After`); None leaves it to the retry policy."""
    unanswered: bool = False
    """It went out and no answer came: the far side may have taken it, and the next try is a possible duplicate."""
    status_code: int | None = None
    answer: bytes = b""


class Rejected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The far side refuses this message for good."""

    error: str
    status_code: int | None = None
    answer: bytes = b""


Result = Accepted | Retry | Rejected


class Senders(Protocol):
    """The users that messages are sent for. Asking often costs little: what was read lately is not read again."""

    def known(self, user_id: UUID) -> Sender | None:
        """The user, where it was read lately."""

    async def get(self, user_id: UUID) -> Sender | None:
        """The user; None where there is none. Raises where Postgres does not answer."""


class Nobody:
    """Senders where there are no users."""

    def known(self, user_id: UUID) -> Sender | None:  # noqa: ARG002
        return None

    async def get(self, user_id: UUID) -> Sender | None:  # noqa: ARG002
        return None


class ChannelContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel may use of its process."""

    settings: Settings
    transport: Transport
    """For addresses that the sender of a message chose: it refuses those within the operator's network."""
    operators_transport: Transport
    """For addresses that the operator has set, wherever they are. Never for one that came with a message."""
    senders: Senders = Nobody()
    now: Callable[[], datetime] = utc_now


class Channel(ABC):
    """Delivers the messages of one channel. One instance serves a whole process, many deliveries at a time."""

    recipients: ClassVar[Recipients] = Recipients()
    """The other half, which the API uses too where it is registered in the entry point group `tidings.recipients`."""

    def __init__(self, context: ChannelContext) -> None:
        self.context = context

    def destination(self, delivery: Delivery) -> str:
        """The key of the receiver that this delivery goes to, usually a host: concurrency is limited for each.

        The same as the API shows, by `recipients`; the channel's name where those know no destination.
        """
        sender = None if delivery.user_id is None else self.context.senders.known(delivery.user_id)
        key = self.recipients.destination(delivery, sender)
        return delivery.channel if key is None else key

    @property
    def places_per_destination(self) -> int | None:
        """How many deliveries to one destination the channel itself lets go at a time, at least 1; None: any number.

        What is beyond that stands in line before it is begun, so that a consumer that stops gives it back untried.
        """
        return None

    @abstractmethod
    async def deliver(self, delivery: Delivery) -> Result:
        """Makes one try. An exception counts as Retry; the time limit of a try is the channel's to keep."""

    async def close(self) -> None:  # noqa: B027  (most channels hold nothing)
        """Lets go of connections; called once, after the last delivery."""
