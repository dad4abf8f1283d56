"""Why a message is not sent: a pure function of its circumstances and the cluster's state.

Of several things that hold a message back the one is named that has to end first: a stopped queue before its due time,
a missing producer before the next tick.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from api.explain.schemas import Explanation, Facts, LastTry, Next, Reason
from api.overview.cluster import ClusterState, silent
from sql.explanation import Holder, MessageState
from tidings.channels.recipient import EndpointKey
from tidings.domain.message import Attempt, Message
from tidings.domain.states import CancelReason, HeldReason, Status
from tidings.observability.reports import BreakerReport

RETRIED_BY_HAND: Final = "It stays as it is, unless somebody retries it."
CLAIM_LIMIT: Final = timedelta(seconds=1)
"""A message that became due within this time is about to be claimed."""


HELD: Final = {
    HeldReason.ENDPOINT_DISABLED: (
        "Its receiver said that it is gone, so nothing is sent there",
        "It goes when somebody releases the endpoint (`tidings holds`)",
    ),
    HeldReason.GATEWAY: (
        "The operator's gateway is held: its address, key or account is wrong",
        "It goes when the gateway works again, or is released (`tidings holds`)",
    ),
    HeldReason.ACCOUNT: (
        "Its user's account is held: the login was refused",
        "It goes when the account is corrected, which is tried now and then",
    ),
    HeldReason.RATE: ("Its receiver takes no more at present", "It is tried again"),
    HeldReason.DISABLED: ("Its user is disabled", "It goes when an admin enables the user"),
    HeldReason.OURS: ("This machine is short of something", "It is tried again"),
}
"""What holds a message, and what ends that. The others are a breaker, as consumers report it, and want of room."""
OF_ENDPOINT: Final = ("Its webhook endpoint is disabled", "It goes when somebody enables the endpoint")
"""Of a message of an event."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known."""

    message: Message
    circumstances: MessageState
    cluster: ClusterState | None
    """None: Redis is away."""
    destination: str | None
    endpoint: EndpointKey | None = None
    """What has a breaker of its own within the destination."""
    attempts: Sequence[Attempt]
    breaker_seconds: float
    """How long breakers stay open at first; it bounds how much later the messages they sent back are tried."""


class Verdict(msgspec.Struct, frozen=True):
    reason: Reason
    summary: str
    next: Next | None


def explain(case: Case) -> Explanation:
    match case.circumstances.status:
        case Status.SENT:
            verdict = Verdict(Reason.SENT, f"It was sent at {_time(case.circumstances.sent_at)}.", None)
        case Status.CANCELLED:
            verdict = _cancelled(case)
        case Status.PROCESSING:
            verdict = _processing(case)
        case Status.PENDING | Status.FAILED:
            verdict = _waiting(case)
    return Explanation(reason=verdict.reason, summary=verdict.summary, next=verdict.next, facts=_facts(case))


def _cancelled(case: Case) -> Verdict:
    now = case.circumstances
    why = _because(case)
    match now.cancel_reason:
        case CancelReason.REJECTED:
            summary, reason = f"The receiver refused it for good{why}.", Reason.REJECTED
        case CancelReason.EXHAUSTED:
            summary, reason = f"All {now.max_tries} attempts failed, the last one{why}.", Reason.EXHAUSTED
        case CancelReason.EXPIRED:
            summary, reason = f"It expired at {_time(now.expires_at)}, before it could be delivered.", Reason.EXPIRED
        case CancelReason.POISON:
            summary = f"It was lost with its consumer {now.recoveries} times, at last alone, and may be what ends them."
            reason = Reason.POISON
        case CancelReason.SUPPRESSED:
            summary = "Its recipient takes no more mail of its user: a bounce, a complaint, an unsubscribe, or by hand."
            reason = Reason.SUPPRESSED
        case CancelReason.DELETED:
            return Verdict(Reason.DELETED, "Its user was deleted, and what it was is erased.", None)
        case _:
            summary, reason = "Somebody cancelled it.", Reason.REQUESTED
    return Verdict(reason, summary, Next(what=RETRIED_BY_HAND, at=None))


def _processing(case: Case) -> Verdict:
    holder, now = case.circumstances.holder, case.circumstances.asked_at
    if holder is None:
        return Verdict(
            Reason.LOST,
            "It is marked as on its way, but its batch is gone.",
            Next(what="The producer finds it within half a minute, and it waits again.", at=None),
        )
    if holder.started_at is None and holder.lease_until > now:
        return Verdict(
            Reason.CLAIMED,
            f"It was claimed at {_time(holder.claimed_at)}, in a batch of {holder.size}, and is on its way to consumer "
            f"{holder.consumer}.",
            Next(what="The consumer takes it up, or it waits again.", at=holder.lease_until),
        )
    if holder.lease_until <= now or _is_silent(holder, case.cluster):
        return Verdict(
            Reason.LOST,
            f"It is with consumer {holder.consumer}, which gives no sign of life.",
            _taken_back(holder, case.cluster),
        )
    return Verdict(
        Reason.LEASED,
        f"Consumer {holder.consumer} has it since {_time(holder.started_at)}, in a batch of {holder.size}, "
        f"and delivers it or has it in line for its destination: "
        f"attempt {case.circumstances.tries + 1} of {case.circumstances.max_tries}.",
        Next(what="The consumer delivers it, or gives it back; it renews its lease until then.", at=None),
    )


def _is_silent(holder: Holder, cluster: ClusterState | None) -> bool:
    if cluster is None:
        return False
    return any(report.name == holder.consumer and silent(report, cluster.now) for report in cluster.reports)


def _taken_back(holder: Holder, cluster: ClusterState | None) -> Next:
    if cluster is not None and not cluster.producer:
        return Next(what="A producer takes it back as soon as one is there.", at=None)
    return Next(
        what="The producer takes it back when the lease has run out, and it is tried again.", at=holder.lease_until
    )


def _waiting(case: Case) -> Verdict:
    now = case.circumstances
    if now.expires_at is not None and now.expires_at <= now.asked_at:
        return Verdict(
            Reason.EXPIRED,
            f"It expired at {_time(now.expires_at)}.",
            Next(what="The producer cancels it in a moment.", at=None),
        )
    if not now.pace.active:
        return Verdict(
            Reason.QUEUE_STOPPED,
            f"Queue {case.message.queue} is stopped.",
            Next(what=_when_due("It goes when somebody starts the queue", now), at=None),
        )
    return _not_due(case) if now.due_at > now.asked_at else _due(case)


def _not_due(case: Case) -> Verdict:
    now = case.circumstances
    if now.held_reason in HELD:
        what, then = HELD[now.held_reason]
        if now.held_reason is HeldReason.ENDPOINT_DISABLED and case.message.endpoint_id is not None:
            what, then = OF_ENDPOINT
        return Verdict(
            Reason.HELD,
            f"{what}{_rate(case)}{_because(case)}; it is held since {_time(now.held_since)}.",
            Next(what=_before_expiry(then, now), at=now.due_at),
        )
    if now.status is Status.PENDING and now.last_error is None and now.held_reason is None:
        return Verdict(
            Reason.NOT_DUE,
            f"It is not due until {_time(now.due_at)}.",
            Next(what=_before_expiry("It is claimed and sent", now), at=now.due_at),
        )
    until = _breaker_until(case, everywhere=False)
    # What a breaker sends back comes again a little after it may close, spread out.
    if until is not None and now.due_at - until <= timedelta(seconds=2 * case.breaker_seconds):
        return _breaker_open(case, until, max(until, now.due_at))
    if now.held_reason in {HeldReason.BREAKER, HeldReason.HOST}:
        return Verdict(
            Reason.BREAKER_OPEN,
            f"Its destination failed many times in a row, so it was sent back; it comes again at {_time(now.due_at)}.",
            Next(what=_before_expiry("It is claimed again", now), at=now.due_at),
        )
    last = case.attempts[-1] if case.attempts else None
    if last is None or now.held_reason is not None:
        return Verdict(
            Reason.WAITING_FOR_ROOM,
            f"Its destination had no room for it{_because(case)}; it comes again at {_time(now.due_at)}.",
            Next(what=_before_expiry("It is claimed again", now), at=now.due_at),
        )
    return Verdict(
        Reason.RETRYING,
        f"Attempt {now.tries} of {now.max_tries} failed{_because(case)}. It is tried again at {_time(now.due_at)}.",
        Next(what=_before_expiry(f"Attempt {now.tries + 1} of {now.max_tries}", now), at=now.due_at),
    )


def _due(case: Case) -> Verdict:
    now = case.circumstances
    since = f"It has been due since {_time(now.due_at)}"
    missing = _missing(case.cluster, since)
    if missing is not None:
        return missing
    if now.claimable_at > now.asked_at:
        begins = Next(what="The queue's next interval begins.", at=now.claimable_at)
        return Verdict(Reason.PACED, f"{since}; {_pace(case)}.", begins)
    until = _breaker_until(case, everywhere=True)
    if until is not None:
        return _breaker_open(case, until, until)
    if now.asked_at - now.due_at <= CLAIM_LIMIT:
        return Verdict(Reason.WAITING_FOR_TURN, "It is due now.", Next(what="It is claimed in a moment.", at=None))
    return Verdict(
        Reason.WAITING_FOR_TURN,
        f"{since} and waits for its turn: what has a higher priority, or was due before, goes first.",
        Next(what="It is claimed when its turn comes.", at=None),
    )


def _missing(cluster: ClusterState | None, since: str) -> Verdict | None:
    """The verdict where no producer or consumer can act; None where they can."""
    if cluster is None:
        return Verdict(Reason.REDIS_AWAY, f"{since}, but Redis does not answer.", _when("Redis is back"))
    if not cluster.producer:
        return Verdict(Reason.NO_PRODUCER, f"{since}, but no producer is alive to claim it.", _when("one is there"))
    if not cluster.alive:
        return Verdict(Reason.NO_CONSUMER, f"{since}, but no consumer is alive.", _when("one is there"))
    if not any(report.accepting for report in cluster.alive):
        return Verdict(
            Reason.WAITING_FOR_ROOM,
            f"{since}, and no consumer takes anything in at present: {_why_not_accepting(cluster)}.",
            _when("a consumer has room"),
        )
    return None


def _breaker_open(case: Case, until: datetime, at: datetime) -> Verdict:
    return Verdict(
        Reason.BREAKER_OPEN,
        f"Its destination ({_failed(case)}) failed many times in a row, so nothing is sent there until {_time(until)}.",
        Next(what="One message is sent there as a probe; where it succeeds, the others follow.", at=at),
    )


def _breaker_until(case: Case, *, everywhere: bool) -> datetime | None:
    """When the destination is tried again by the first of the consumers whose breaker for it is not closed.

    None where there is no such consumer, or where `everywhere` is asked for and one of them does deliver there.
    """
    if case.cluster is None:
        return None
    waits: list[float] = []
    for report in case.cluster.alive:
        found = [breaker.seconds for breaker in report.breakers if _concerns(breaker, case)]
        if everywhere and not found:
            return None
        # The report's clock is Redis's, the answer's is Postgres's.
        age = (case.cluster.now - report.reported_at).total_seconds()
        if found:
            waits.append(max(*found, age) - age)
    return case.circumstances.asked_at + timedelta(seconds=min(waits)) if waits else None


def _rate(case: Case) -> str:
    """What its endpoint is sent by all consumers, where its receiver limits it."""
    reports = () if case.cluster is None else case.cluster.alive
    key = case.endpoint
    rates = [each.rate for report in reports for each in report.rates if (each.destination, each.user_id) == key]
    return f", and is sent {sum(rates):.3g} messages a second" if rates else ""


def _failed(case: Case) -> str | None:
    """The name of what has a breaker that is not closed: the endpoint's where it has its own."""
    reports = () if case.cluster is None else case.cluster.alive
    if any(
        (breaker.destination, breaker.user_id) == case.endpoint for report in reports for breaker in report.breakers
    ):
        return None if case.endpoint is None else case.endpoint.name
    return case.destination


def _concerns(breaker: BreakerReport, case: Case) -> bool:
    """Whether a breaker is that of the message's destination, or of its own endpoint there."""
    if breaker.user_id is None and breaker.destination == case.destination:
        return True
    return case.endpoint is not None and case.endpoint == (breaker.destination, breaker.user_id)


def _why_not_accepting(cluster: ClusterState) -> str:
    if any(report.postgres_away for report in cluster.alive):
        return "Postgres does not answer them"
    if all(report.stopping for report in cluster.alive):
        return "they are stopping"
    return "they have as much as they can deliver at once"


def _pace(case: Case) -> str:
    pace = case.circumstances.pace
    many = "what was due when an interval begins" if pace.per_interval is None else f"{pace.per_interval} messages"
    return f"its queue lets {many} go every {pace.interval_seconds:g} s"


def _facts(case: Case) -> Facts:
    now, holder = case.circumstances, case.circumstances.holder
    last = case.attempts[-1] if case.attempts else None
    return Facts(
        status=now.status,
        queue=case.message.queue,
        queue_active=now.pace.active,
        channel=case.message.channel,
        destination=case.destination,
        due_at=now.due_at,
        expires_at=now.expires_at,
        held_reason=now.held_reason,
        held_since=now.held_since,
        tries=now.tries,
        max_tries=now.max_tries,
        recoveries=now.recoveries,
        consumer=None if holder is None else holder.consumer,
        batch_size=None if holder is None else holder.size,
        lease_until=None if holder is None else holder.lease_until,
        last_try=None
        if last is None
        else LastTry(
            number=last.try_number,
            started_at=last.started_at,
            consumer=last.consumer,
            status_code=last.status_code,
            error=last.error,
        ),
    )


def _because(case: Case) -> str:
    error = case.circumstances.last_error
    return "" if error is None else f" because of: {error.rstrip('.')}"


def _when(there: str) -> Next:
    return Next(what=f"It goes when {there}.", at=None)


def _when_due(what: str, now: MessageState) -> str:
    return f"{what}, from {_time(now.due_at)} on." if now.due_at > now.asked_at else f"{what}."


def _before_expiry(what: str, now: MessageState) -> str:
    if now.expires_at is not None and now.expires_at <= now.due_at:
        return f"It expires at {_time(now.expires_at)}, before it is due."
    return f"{what}."


def _time(timestamp: datetime | None) -> str:
    return "an unknown time" if timestamp is None else f"{timestamp:%Y-%m-%d %H:%M:%S} UTC"
