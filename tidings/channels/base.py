"""The class that a channel derives from, its results, and what it may use of its process.

A channel holds no state that matters after a crash: the dispatcher records what it returns.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol
from uuid import UUID

import msgspec

from tidings.channels.http.transport import Transport
from tidings.channels.recipient import EndpointKey, Recipients
from tidings.channels.sms.directory import GatewayDirectory
from tidings.domain.account import Sealed, Sender
from tidings.domain.endpoint import Endpoint
from tidings.domain.mail_parts import KeptMail
from tidings.domain.message import Delivery
from tidings.domain.states import AttemptOutcome
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings


class About(StrEnum):
    """What a result speaks of, and so what it may hold up."""

    MESSAGE = "message"
    """This message alone: a recipient that the mail server does not know, greylisting."""
    ENDPOINT = "endpoint"
    """Where its user's messages of this kind go: for a webhook the URL without its query."""
    HOST = "host"
    """The host: no connection, TLS, a time-out."""
    ACCOUNT = "account"
    """The user's account there, or that of the operator's gateway: a refused login or key. Uses up no attempt, and
    holds what goes there until it is accepted again."""
    PACE = "pace"
    """The receiver takes no more at present (429): uses up no attempt."""
    OURSELVES = "ourselves"
    """A shortage of our own, such as of file descriptors or of a key: uses up no attempt, and is logged as ours."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The receiver or provider took the message."""

    outcome: ClassVar[AttemptOutcome] = AttemptOutcome.ACCEPTED

    provider_message_id: str | None = None
    """The provider's id of the message, if it gives one."""
    status_code: int | None = None
    answer: bytes = b""
    error: str | None = None
    """What it did not take, such as some of a mail's recipients: one line for the sender of the message."""
    unknown: tuple[str, ...] = ()
    """Recipients of a mail that have no mailbox, for sure and for good: its sender's mail goes to them no more."""


class Retry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It failed now and may work later."""

    outcome: ClassVar[AttemptOutcome] = AttemptOutcome.RETRY

    error: str
    delay: float | None = None
    """Seconds that the receiver asks to wait (`Retry-After`); None leaves it to the retry policy."""
    unanswered: bool = False
    """The request went out and no response came: the next attempt may deliver the message a second time."""
    status_code: int | None = None
    answer: bytes = b""
    about: About = About.ENDPOINT
    remaining: tuple[str, ...] | None = None
    """The recipients of a mail that have not got it, where the others have: the next attempt is for these alone."""
    unknown: tuple[str, ...] = ()


class Rejected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The receiver or provider refuses this message for good."""

    outcome: ClassVar[AttemptOutcome] = AttemptOutcome.REJECTED

    error: str
    status_code: int | None = None
    answer: bytes = b""
    about: About = About.ENDPOINT
    holds: bool = False
    """Nothing more may go there, to what `about` says, until somebody releases it."""
    unknown: tuple[str, ...] = ()


Result = Accepted | Retry | Rejected


class Senders(Protocol):
    """The users that messages are sent for, cached for some seconds."""

    def known(self, user_id: UUID) -> Sender | None:
        """The user, if it is cached."""

    async def get(self, user_id: UUID) -> Sender | None:
        """The user; None if there is none. Raises StoreUnavailableError."""


class Endpoints(Protocol):
    """The webhook endpoints that messages go to, cached for some seconds."""

    def known(self, endpoint_id: UUID) -> Endpoint | None:
        """The endpoint, if it is cached."""

    def is_gone(self, endpoint_id: UUID) -> bool:
        """Whether it is known that there is none."""

    def is_disabled(self, endpoint_id: UUID) -> bool:
        """Whether nothing may be sent there, as far as is known."""

    async def get(self, endpoint_id: UUID) -> Endpoint | None:
        """The endpoint; None if there is none. Raises StoreUnavailableError."""


class Mails(Protocol):
    """What is kept of mails beside their messages."""

    async def get(self, message_id: UUID) -> KeptMail | None:
        """That of one message; None where there is none (any more). Raises StoreUnavailableError."""


class RefreshTokens(Protocol):
    """The refresh tokens of SMTP accounts that have an id. Both raise StoreUnavailableError."""

    async def current(self, account_id: UUID) -> Sealed | None:
        """The one in use; None where the account was replaced."""

    async def rotate(self, account_id: UUID, old: Sealed, new: Sealed) -> None:
        """Keeps a new one, unless another process was first."""


class FixedTokens:
    """For deployments and tests without any that are stored."""

    async def current(self, account_id: UUID) -> Sealed | None:  # noqa: ARG002
        return None

    async def rotate(self, account_id: UUID, old: Sealed, new: Sealed) -> None:
        """Not kept."""


class NoMails:
    """For deployments and tests without any."""

    async def get(self, message_id: UUID) -> KeptMail | None:  # noqa: ARG002
        return None


class NoSenders:
    """For deployments and tests without users."""

    def known(self, user_id: UUID) -> Sender | None:  # noqa: ARG002
        return None

    async def get(self, user_id: UUID) -> Sender | None:  # noqa: ARG002
        return None


class NoEndpoints:
    """For deployments and tests without endpoints."""

    def known(self, endpoint_id: UUID) -> Endpoint | None:  # noqa: ARG002
        return None

    def is_gone(self, endpoint_id: UUID) -> bool:  # noqa: ARG002
        return False

    def is_disabled(self, endpoint_id: UUID) -> bool:  # noqa: ARG002
        return False

    async def get(self, endpoint_id: UUID) -> Endpoint | None:  # noqa: ARG002
        return None


class ChannelContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel may use."""

    settings: Settings
    transport: Transport
    """For addresses that the sender of a message chose: refuses those within the operator's network."""
    loopback_transport: Transport | None = None
    """The same for the operator's own messages to this machine; None: `transport` does."""
    plain_transport: Transport | None = None
    """The same for plain http, which goes to networks of the operator's own only; None: `transport` does."""
    operators_transport: Transport
    """For addresses that the operator has set: refuses none. Must never be used for one that came with a message."""
    senders: Senders = NoSenders()
    endpoints: Endpoints = NoEndpoints()
    mails: Mails = NoMails()
    refresh_tokens: RefreshTokens = FixedTokens()
    gateways: GatewayDirectory = msgspec.field(default_factory=GatewayDirectory)
    """Those that text messages may go through, besides the one of `WEBHOOK_URL`."""
    now: Callable[[], datetime] = utc_now


CanGo = Callable[[str, EndpointKey], bool]
"""Whether a destination and an endpoint within it take messages now."""


class Channel(ABC):
    """Delivers the messages of one channel. One instance serves a process, with many deliveries at a time."""

    recipients: ClassVar[Recipients] = Recipients()
    """The other half, which the API uses too where it is registered in the entry point group `tidings.recipients`."""

    def __init__(self, context: ChannelContext) -> None:
        self.context = context

    def destination(self, delivery: Delivery) -> str:
        """The key of the receiver that this delivery goes to, usually a host: concurrency is limited for each.

        The same as the API shows, by `recipients`; the channel's name where those know no destination.
        """
        key = self.recipients.destination(delivery, self._sender(delivery))
        return delivery.channel if key is None else key

    def endpoint(self, delivery: Delivery) -> EndpointKey:
        """What fails for this delivery if its receiver answers with a failure: it has a breaker of its own.

        The same as the API shows, by `recipients`; the destination where those know none.
        """
        key = self.recipients.endpoint(delivery, self._sender(delivery))
        return EndpointKey(self.destination(delivery)) if key is None else key

    @property
    def places_per_destination(self) -> int | None:
        """The channel's own limit of concurrent deliveries to one destination, at least 1; None: no limit.

        Further ones are queued before their attempt begins, so a consumer that stops returns them without using one up.
        """
        return None

    def concurrency(self, delivery: Delivery) -> int | None:  # noqa: ARG002
        """The same for the destination of this delivery."""
        return self.places_per_destination

    def route(self, delivery: Delivery, can_go: CanGo) -> Delivery:  # noqa: ARG002
        """Chooses which way a delivery goes, where there are several, before anything else is asked of the channel.

        Returns what `deliver` shall get.
        """
        return delivery

    def per_hour(self, delivery: Delivery) -> int | None:  # noqa: ARG002
        """How many messages may go to the endpoint of this delivery in an hour, by all consumers; None: no limit."""
        return None

    def per_second(self, delivery: Delivery) -> int | None:  # noqa: ARG002
        """The same in a second."""
        return None

    @property
    def time_limit(self) -> float:
        """Seconds within which an attempt ends. After twice that it is cut off, and its outcome is unknown."""
        return self.context.settings.delivery_timeout

    def _sender(self, delivery: Delivery) -> Sender | None:
        return None if delivery.user_id is None else self.context.senders.known(delivery.user_id)

    @abstractmethod
    async def deliver(self, delivery: Delivery) -> Result:
        """Makes one attempt, within a time limit that the channel keeps itself. An exception counts as Retry."""

    async def close(self) -> None:  # noqa: B027  (most channels hold nothing)
        """Closes connections; called once, after the last delivery."""
