"""What the end of a delivery says of its endpoint and its destination: concurrency, rate and breakers follow from it.

Pure but for the limiter that it adjusts; nothing is kept here.
"""

from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from consumers.breaker import Breaker, BreakerState
from consumers.capacity import SLOW_SECONDS
from consumers.destination import Endpoint
from consumers.holds import HELD_SECONDS
from consumers.limiter import DestinationLimiter
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.recipient import EndpointKey
from tidings.domain.gateway import Gateway
from tidings.domain.states import HeldReason

T = TypeVar("T")

_ANSWERS: Final = frozenset({About.MESSAGE, About.ENDPOINT})
"""A message that is refused for one of these shows that endpoint and host work."""


_SILENT: Final = frozenset({About.HOST, About.ENDPOINT})
"""Where no answer came, a failure that is about one of these may be a time-out."""


class Changes(NamedTuple):
    """What the end of a delivery changed. Of a breaker: True where it opened, False where it closed, otherwise None."""

    endpoint: bool | None
    host: bool | None
    slower: bool = False
    """Whether the rate of its endpoint was lowered."""
    hangs: bool = False
    """Whether the destination is down to one delivery, since it did not answer."""


def settle(
    limiter: DestinationLimiter[T], endpoint: Endpoint[T], result: Result, *, began: float, now: float
) -> Changes:
    """Adjusts concurrency, rate and breakers; what waits for one that opens is sent back at once."""
    destination, slower = endpoint.destination, False
    too_many = isinstance(result, Retry) and (
        result.about is About.PACE or result.status_code == HTTPStatus.TOO_MANY_REQUESTS
    )
    hangs = _hear(endpoint, result, began=began, now=now, takes_more=not too_many)
    if not isinstance(result, Retry):
        endpoint.count_accepted(now)
        if endpoint.paced is not None:
            endpoint.paced.pace.accept(now)
    elif too_many:
        slower = limiter.refuse(endpoint, began=began, delay=result.delay)
    changes = count(result, now, endpoint=endpoint.breaker, host=destination.breaker)
    changes = changes._replace(slower=slower, hangs=hangs)
    if changes.host:
        limiter.send_back(destination.breaker.wait(now), destination)
    elif changes.endpoint:
        limiter.send_back(endpoint.breaker.wait(now), destination, of=endpoint)
    elif isinstance(result, Rejected) and result.holds:
        limiter.send_back(HELD_SECONDS, destination, of=endpoint)
    return changes


def reason_of(limiter: DestinationLimiter[T], key: str, endpoint: EndpointKey, now: float) -> HeldReason:
    """What a delivery waits for that the limiter sends back now."""
    destination, entered = limiter.find(key, endpoint)
    if destination is not None and destination.breaker.state(now) is not BreakerState.CLOSED:
        return HeldReason.HOST
    if entered is not None and entered.wait(now):
        return of_account(endpoint) if entered.breaker.of_account else HeldReason.BREAKER
    limited = entered is not None and entered.paced is not None and entered.paced.pace.slows
    return HeldReason.RATE if limited else HeldReason.ROOM


def mended(limiter: DestinationLimiter[T], user_id: UUID) -> None:
    """Lets what goes through a user's account go again: it has changed since it was refused."""
    for endpoint in limiter.endpoints.values():
        if endpoint.key.user_id == user_id and endpoint.breaker.of_account:
            endpoint.breaker.succeed()


def gateway_mended(limiter: DestinationLimiter[T], gateway: Gateway) -> None:
    """Lets what goes through a gateway go again: it has changed since it was refused, or is another one."""
    for endpoint in limiter.endpoints.values():
        if endpoint.key == EndpointKey(f"sms {gateway.key}", gateway.user_id) and endpoint.breaker.of_account:
            endpoint.breaker.succeed()


def of_account(endpoint: EndpointKey) -> HeldReason:
    """Whose account it is: a user's own, or that of the operator's gateway, which is everybody's."""
    return HeldReason.GATEWAY if endpoint.user_id is None else HeldReason.ACCOUNT


def count(result: Result, now: float, *, endpoint: Breaker, host: Breaker) -> Changes:
    """Counts the end of a delivery for the breaker that it speaks of.

    Whatever an endpoint answers, even a failure, shows that its host works. That it does not answer shows nothing, but
    for endpoint after endpoint: each whose breaker opens for that, with no answer of the host in between, counts as a
    failure of the host.
    """
    about = None if isinstance(result, Accepted) else result.about
    if about is None or (isinstance(result, Rejected) and about in _ANSWERS):
        return Changes(_succeed(endpoint), _succeed(host))
    if isinstance(result, Retry) and about in {About.ENDPOINT, About.ACCOUNT}:
        if result.unanswered and about is About.ENDPOINT:
            return _count_silence(now, endpoint, host)
        return Changes(endpoint.fail(now, of_account=about is About.ACCOUNT) or None, _succeed(host))
    # If it was the endpoint's probe, another may probe.
    endpoint.abandon()
    if isinstance(result, Retry) and about is About.HOST:
        return Changes(None, host.fail(now) or None)
    if about in {About.HOST, About.OURSELVES}:
        host.abandon()
        return Changes(None, None)
    return Changes(None, _succeed(host))


def _hear(endpoint: Endpoint[T], result: Result, *, began: float, now: float, takes_more: bool) -> bool:
    """Counts whether an answer came; returns whether the destination hangs by that."""
    if isinstance(result, Accepted) or result.status_code is not None:
        endpoint.answered(now)
        endpoint.destination.answered(now, began=began, takes_more=takes_more)
        return False
    if not isinstance(result, Retry) or result.about not in _SILENT or now - began < SLOW_SECONDS:
        # A connection that fails at once says nothing of how many more may go: that is the breaker's.
        return False
    endpoint.unanswered(began=began)
    return endpoint.destination.unanswered(began=began)


def _count_silence(now: float, endpoint: Breaker, host: Breaker) -> Changes:
    known = endpoint.state(now) is not BreakerState.CLOSED
    opened = endpoint.fail(now)
    if known:
        # It is counted already, and as a probe it says nothing of the others.
        host.abandon()
        return Changes(opened or None, None)
    probed = host.state(now) is not BreakerState.CLOSED
    return Changes(opened or None, ((opened or probed) and host.fail(now)) or None)


def _succeed(breaker: Breaker) -> bool | None:
    return False if breaker.succeed() else None
