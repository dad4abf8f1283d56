"""Turns what a channel returned into what becomes of the message.

Pure: clock and policy are passed in, nothing is kept.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from consumers.dedup import Record
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.domain.message import Attempt, Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import CancelReason, HeldReason, Status

ANSWER_BYTES: Final = 1024
"""What is kept of the receiver's answer."""
TEXT_LIMIT: Final = 1024
"""Characters of an error or a provider's id that are kept."""
UNTRIED: Final = {About.PACE: HeldReason.RATE, About.OURSELVES: HeldReason.OURS, About.ACCOUNT: HeldReason.GATEWAY}
"""What uses up no attempt, and what the message then waits for; the caller knows whose account it is."""
LONGEST_PACED: Final = 3600.0
"""Seconds that a receiver which takes no more at present may make a message wait at a time."""
SHORTEST_PACED: Final = 1.0
MAX_PACED_SECONDS: Final = 24 * 3600.0
"""A message that has waited untried for longer uses up an attempt, so that none waits for ever."""
MAX_ACCOUNT_SECONDS: Final = 7 * 24 * 3600.0
"""The same where somebody must mend an account or a key."""


def conclude(
    delivery: Delivery,
    result: Result,
    *,
    policy: RetryPolicy,
    consumer: str,
    started_at: datetime,
    duration: float,
    account: HeldReason = HeldReason.GATEWAY,
) -> Outcome:
    """The outcome of one attempt that took `duration` seconds; `account` says whose account a result speaks of."""
    ended_at = started_at + timedelta(seconds=duration)
    if isinstance(result, Retry) and waits_untried(delivery, result, ended_at):
        return _paced(delivery, result, ended_at, policy, account)
    tries = delivery.tries + 1
    provider_id = error = due_at = reason = None
    if result.error is not None:
        error = _text(result.error)
    if not isinstance(result, Accepted):
        due_at, reason = _next_attempt(delivery, result, ended_at, policy)
    elif result.provider_message_id is not None:
        provider_id = _text(result.provider_message_id)
    attempt = Attempt(
        message_id=delivery.id,
        batch_id=delivery.batch_id,
        try_number=tries,
        consumer=consumer,
        started_at=started_at,
        duration=duration,
        outcome=result.outcome,
        status_code=_status_code(result.status_code),
        error=error,
        answer=_text(result.answer[:ANSWER_BYTES].decode("utf-8", "replace")) if result.answer else None,
    )
    accepted = isinstance(result, Accepted)
    return Outcome(
        message_id=delivery.id,
        batch_id=delivery.batch_id,
        status=Status.SENT if accepted else Status.FAILED if reason is None else Status.CANCELLED,
        tries=tries,
        due_at=due_at,
        provider_message_id=provider_id,
        sent_at=ended_at if accepted else None,
        cancel_reason=reason,
        last_error=error,
        unanswered=delivery.unanswered or (isinstance(result, Retry) and result.unanswered),
        remaining=result.remaining if isinstance(result, Retry) else None,
        gateway=delivery.gateway,
        attempt=attempt,
        queue=delivery.queue,
        channel=delivery.channel,
        lateness=(started_at - delivery.due_at).total_seconds(),
    )


def already_sent(delivery: Delivery, record: Record) -> Outcome:
    """A message that an earlier consumer delivered before it died, by its dedup record."""
    return _untried(
        delivery,
        Status.SENT,
        min(delivery.tries + 1, delivery.max_tries),
        provider_message_id=record.message_id,
        sent_at=record.sent_at,
    )


def expired(delivery: Delivery) -> Outcome:
    """A message that expired before it was attempted."""
    return _untried(delivery, Status.CANCELLED, delivery.tries, cancel_reason=CancelReason.EXPIRED)


def endpoint_deleted(delivery: Delivery) -> Outcome:
    """A message whose webhook endpoint was deleted while it waited."""
    return _untried(
        delivery,
        Status.CANCELLED,
        delivery.tries,
        cancel_reason=CancelReason.REQUESTED,
        last_error="its endpoint was deleted",
    )


def returned(delivery: Delivery, *, due_at: datetime | None = None, held_reason: HeldReason | None = None) -> Outcome:
    """A message that was not attempted: it waits again as it did before, or until `due_at` for that reason."""
    return _untried(delivery, _as_before(delivery), delivery.tries, due_at=due_at, held_reason=held_reason)


def waits_untried(delivery: Delivery, result: Retry, now: datetime) -> bool:
    """Whether a failure uses up no attempt.

    Counted from when it was held, not from `created_at`: it may have been scheduled long ago, or retried by hand.
    """
    most = MAX_ACCOUNT_SECONDS if result.about is About.ACCOUNT else MAX_PACED_SECONDS
    return result.about in UNTRIED and (now - (delivery.held_since or now)).total_seconds() < most


def _paced(delivery: Delivery, result: Retry, ended_at: datetime, policy: RetryPolicy, account: HeldReason) -> Outcome:
    """A message that was not taken for a reason that is not its own: it waits as it was."""
    if result.delay is None:
        seconds = policy.delay_after(1)
    else:
        seconds = max(result.delay, SHORTEST_PACED) * (1 + policy.jitter * policy.random())
    due_at = ended_at + timedelta(seconds=min(seconds, LONGEST_PACED))
    return _untried(
        delivery,
        _as_before(delivery),
        delivery.tries,
        due_at=_by_expiry(delivery, due_at),
        last_error=_text(result.error),
        unanswered=result.unanswered,
        gateway=delivery.gateway,
        held_reason=account if result.about is About.ACCOUNT else UNTRIED[result.about],
    )


def _by_expiry(delivery: Delivery, due_at: datetime) -> datetime:
    """When a message is looked at again: at the latest when it expires, and then it ends."""
    return due_at if delivery.expires_at is None else min(due_at, delivery.expires_at)


def _as_before(delivery: Delivery) -> Status:
    """The status of a message that was claimed and not tried: failed only where an attempt or a consumer failed."""
    return Status.FAILED if delivery.tries + delivery.recoveries else Status.PENDING


def _next_attempt(
    delivery: Delivery, result: Retry | Rejected, ended_at: datetime, policy: RetryPolicy
) -> tuple[datetime | None, CancelReason | None]:
    """When it is due again, or why it never is."""
    if isinstance(result, Rejected):
        return None, CancelReason.REJECTED
    if delivery.tries + 1 >= delivery.max_tries:
        return None, CancelReason.EXHAUSTED
    due_at = ended_at + timedelta(
        seconds=policy.delay_after(
            delivery.tries + 1, result.delay, own=delivery.retry_delays, channel=delivery.channel
        )
    )
    return _by_expiry(delivery, due_at), None


def _untried(delivery: Delivery, status: Status, tries: int, *, unanswered: bool = False, **values: Any) -> Outcome:
    return Outcome(
        message_id=delivery.id,
        batch_id=delivery.batch_id,
        status=status,
        tries=tries,
        unanswered=delivery.unanswered or unanswered,
        queue=delivery.queue,
        channel=delivery.channel,
        **values,
    )


def _status_code(code: int | None) -> int | None:
    """None for what Postgres cannot keep."""
    return code if code is not None and abs(code) < 2**31 else None


def _text(text: str) -> str:
    """Its beginning, with what Postgres cannot keep replaced: NUL and halves of surrogate pairs."""
    return text[:TEXT_LIMIT].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
