"""From what a channel returned to what becomes of the message: pure, with the clock and the policy passed in."""

from datetime import datetime, timedelta
from typing import Final

from consumers.dedup import Record
from tidings.channels.base import Accepted, Rejected, Result
from tidings.domain.message import Attempt, Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import CancelReason, Status

ANSWER_BYTES: Final = 1024
"""What is kept of the far side's answer."""


def conclude(
    delivery: Delivery,
    result: Result,
    *,
    policy: RetryPolicy,
    consumer: str,
    started_at: datetime,
    duration: float,
) -> Outcome:
    """The outcome of one try that took `duration` seconds."""
    tries = delivery.tries + 1
    ended_at = started_at + timedelta(seconds=duration)
    error = None if isinstance(result, Accepted) else _text(result.error)
    attempt = Attempt(
        message_id=delivery.id,
        batch_id=delivery.batch_id,
        try_number=tries,
        consumer=consumer,
        started_at=started_at,
        duration=duration,
        outcome=result.outcome,
        status_code=result.status_code,
        error=error,
        answer=_text(result.answer[:ANSWER_BYTES].decode("utf-8", "replace")) if result.answer else None,
    )
    if isinstance(result, Accepted):
        provider_id = None if result.provider_message_id is None else _text(result.provider_message_id)
        return _outcome(
            delivery, Status.SENT, tries, provider_message_id=provider_id, sent_at=ended_at, attempt=attempt
        )
    if isinstance(result, Rejected):
        return _cancelled(delivery, CancelReason.REJECTED, tries, error, attempt)
    if tries >= delivery.max_tries:
        return _cancelled(delivery, CancelReason.EXHAUSTED, tries, error, attempt, unanswered=result.unanswered)
    due_at = ended_at + timedelta(seconds=policy.delay_after(tries, result.delay))
    if delivery.expires_at is not None and due_at >= delivery.expires_at:
        return _cancelled(delivery, CancelReason.EXPIRED, tries, error, attempt, unanswered=result.unanswered)
    return _outcome(
        delivery,
        Status.FAILED,
        tries,
        due_at=due_at,
        last_error=error,
        attempt=attempt,
        unanswered=result.unanswered,
    )


def already_sent(delivery: Delivery, record: Record) -> Outcome:
    """A message that an earlier consumer delivered before it died, as its delivery record says."""
    return _outcome(
        delivery,
        Status.SENT,
        min(delivery.tries + 1, delivery.max_tries),
        provider_message_id=record.message_id,
        sent_at=record.sent_at,
    )


def expired(delivery: Delivery) -> Outcome:
    """A message whose time was over before it was tried."""
    return _cancelled(delivery, CancelReason.EXPIRED, delivery.tries, None, None)


def returned(delivery: Delivery, *, due_at: datetime | None = None) -> Outcome:
    """A message that was not tried after all: it waits again as it did before, or until `due_at`."""
    untried = delivery.tries + delivery.recoveries == 0 and due_at is None
    return _outcome(delivery, Status.PENDING if untried else Status.FAILED, delivery.tries, due_at=due_at)


def _cancelled(
    delivery: Delivery,
    reason: CancelReason,
    tries: int,
    error: str | None,
    attempt: Attempt | None,
    *,
    unanswered: bool = False,
) -> Outcome:
    return _outcome(
        delivery,
        Status.CANCELLED,
        tries,
        cancel_reason=reason,
        last_error=error,
        attempt=attempt,
        unanswered=unanswered,
    )


def _outcome(
    delivery: Delivery,
    status: Status,
    tries: int,
    *,
    due_at: datetime | None = None,
    provider_message_id: str | None = None,
    sent_at: datetime | None = None,
    cancel_reason: CancelReason | None = None,
    last_error: str | None = None,
    attempt: Attempt | None = None,
    unanswered: bool = False,
) -> Outcome:
    return Outcome(
        message_id=delivery.id,
        batch_id=delivery.batch_id,
        status=status,
        tries=tries,
        due_at=due_at,
        provider_message_id=provider_message_id,
        sent_at=sent_at,
        cancel_reason=cancel_reason,
        last_error=last_error,
        unanswered=unanswered,
        attempt=attempt,
        queue=delivery.queue,
        channel=delivery.channel,
        lateness=None if attempt is None else (attempt.started_at - delivery.due_at).total_seconds(),
    )


def _text(text: str) -> str:
    """What Postgres can keep: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
