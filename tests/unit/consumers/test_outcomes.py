"""From a channel's result to what becomes of the message, with the clock and the random source in our hands."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers import outcomes
from consumers.dedup import Record
from tests.factories import new_delivery
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.http.judgement import judge
from tidings.channels.http.transport import Answer
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import LONGEST_WAIT_ASKED, RetryPolicy
from tidings.domain.states import CancelReason, HeldReason, Status

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
POLICY = RetryPolicy(delays=(5, 30, 120), jitter=0.2, random=lambda: 0.5)


def conclude(delivery: Delivery, result: Result, duration: float = 0.0) -> Outcome:
    return outcomes.conclude(delivery, result, policy=POLICY, consumer="c", started_at=NOON, duration=duration)


def test_accepted_is_sent_when_the_answer_came() -> None:
    delivery = new_delivery(tries=1)
    outcome = conclude(delivery, Accepted(provider_message_id="abc", status_code=202, answer=b"{}"), duration=2)
    assert (outcome.status, outcome.tries, outcome.provider_message_id) == (Status.SENT, 2, "abc")
    assert outcome.sent_at == NOON + timedelta(seconds=2)
    assert outcome.attempt is not None
    assert (outcome.attempt.try_number, outcome.attempt.status_code, outcome.attempt.answer) == (2, 202, "{}")


@pytest.mark.parametrize(("tries", "delay"), [(0, 5), (1, 30), (2, 120), (3, 120)])
def test_a_failed_try_waits_as_the_policy_says(tries: int, delay: int) -> None:
    outcome = conclude(new_delivery(tries=tries), Retry(error="503", status_code=503), duration=1)
    assert (outcome.status, outcome.tries, outcome.last_error) == (Status.FAILED, tries + 1, "503")
    assert outcome.due_at == NOON + timedelta(seconds=1 + delay)


def test_the_receiver_may_ask_for_more_time() -> None:
    outcome = conclude(new_delivery(), Retry(error="429", delay=60))
    assert outcome.due_at is not None
    assert outcome.due_at >= NOON + timedelta(seconds=60)


def test_the_last_try_exhausts() -> None:
    outcome = conclude(new_delivery(tries=4), Retry(error="503"))
    assert (outcome.status, outcome.cancel_reason, outcome.tries) == (Status.CANCELLED, CancelReason.EXHAUSTED, 5)


def test_rejected_is_cancelled_at_once() -> None:
    outcome = conclude(new_delivery(), Rejected(error="400 bad number", status_code=400))
    assert (outcome.status, outcome.cancel_reason) == (Status.CANCELLED, CancelReason.REJECTED)
    assert outcome.last_error == "400 bad number"


def test_a_retry_that_would_come_too_late_waits_until_it_expires() -> None:
    delivery = new_delivery(expires_at=NOON + timedelta(seconds=4))
    outcome = conclude(delivery, Retry(error="503"))
    assert (outcome.status, outcome.cancel_reason) == (Status.FAILED, None)
    assert outcome.due_at == delivery.expires_at


def test_what_postgres_cannot_keep_is_replaced() -> None:
    outcome = conclude(new_delivery(), Retry(error="bad \x00 and \ud800", answer=b"\xff\x00ok"))
    assert outcome.attempt is not None
    for text in (outcome.last_error, outcome.attempt.answer):
        assert text is not None
        assert "\x00" not in text
        text.encode()


def test_an_answer_is_cut() -> None:
    outcome = conclude(new_delivery(), Accepted(answer=b"x" * 5000))
    assert outcome.attempt is not None
    assert outcome.attempt.answer == "x" * 1024


def test_a_message_that_was_never_tried_goes_back_to_pending() -> None:
    assert outcomes.returned(new_delivery()).status is Status.PENDING
    assert outcomes.returned(new_delivery(tries=1)).status is Status.FAILED
    assert outcomes.returned(new_delivery(recoveries=1)).status is Status.FAILED


@pytest.mark.parametrize("reason", HeldReason)
def test_a_message_that_is_held_is_as_it_was(reason: HeldReason) -> None:
    for changes, status in (({}, Status.PENDING), ({"tries": 2}, Status.FAILED), ({"recoveries": 1}, Status.FAILED)):
        delivery = new_delivery(**changes)
        outcome = outcomes.returned(delivery, due_at=NOON, held_reason=reason)
        assert (outcome.status, outcome.tries, outcome.due_at) == (status, delivery.tries, NOON)
        assert (outcome.held_reason, outcome.attempt) == (reason, None)


@pytest.mark.parametrize(
    ("about", "account", "reason", "untried_for"),
    [
        (About.PACE, HeldReason.GATEWAY, HeldReason.RATE, timedelta(hours=23)),
        (About.OURSELVES, HeldReason.GATEWAY, HeldReason.OURS, timedelta(hours=23)),
        (About.ACCOUNT, HeldReason.GATEWAY, HeldReason.GATEWAY, timedelta(days=6)),
        (About.ACCOUNT, HeldReason.ACCOUNT, HeldReason.ACCOUNT, timedelta(days=6)),
    ],
)
def test_what_speaks_of_something_else_says_what_it_waits_for(
    about: About, account: HeldReason, reason: HeldReason, untried_for: timedelta
) -> None:
    delivery = new_delivery(held_since=NOON - untried_for)
    result = Retry(error="no", about=about)
    outcome = outcomes.conclude(
        delivery, result, policy=POLICY, consumer="c", started_at=NOON, duration=0, account=account
    )
    assert (outcome.status, outcome.tries, outcome.held_reason) == (Status.PENDING, 0, reason)
    assert (outcome.attempt, outcome.last_error) == (None, "no")
    late = new_delivery(held_since=NOON - untried_for - timedelta(days=1))
    outcome = outcomes.conclude(late, result, policy=POLICY, consumer="c", started_at=NOON, duration=0, account=account)
    assert (outcome.status, outcome.tries, outcome.held_reason) == (Status.FAILED, 1, None)


@pytest.mark.parametrize("about", [About.MESSAGE, About.ENDPOINT, About.HOST])
def test_a_message_that_was_tried_is_not_held(about: About) -> None:
    outcome = conclude(new_delivery(), Retry(error="503", about=about))
    assert (outcome.status, outcome.tries, outcome.held_reason) == (Status.FAILED, 1, None)


def test_what_the_record_tells_is_sent() -> None:
    outcome = outcomes.already_sent(new_delivery(tries=5), Record(NOON, "abc"))
    assert (outcome.status, outcome.tries, outcome.sent_at, outcome.provider_message_id) == (
        Status.SENT,
        5,
        NOON,
        "abc",
    )
    assert outcome.attempt is None


PACED = Retry(error="HTTP 429", delay=60, status_code=429, about=About.PACE)


@pytest.mark.parametrize(
    ("tries", "recoveries", "status"), [(0, 0, Status.PENDING), (2, 0, Status.FAILED), (0, 1, Status.FAILED)]
)
@pytest.mark.parametrize("about", [About.PACE, About.OURSELVES])
def test_what_is_not_its_own_fault_uses_up_no_attempt(
    tries: int, recoveries: int, status: Status, about: About
) -> None:
    delivery = new_delivery(tries=tries, recoveries=recoveries, max_tries=3, created_at=NOON)
    outcome = conclude(delivery, Retry(error="e", delay=60, about=about), duration=1)
    assert (outcome.status, outcome.tries, outcome.last_error, outcome.attempt) == (status, tries, "e", None)
    assert outcome.due_at is not None
    assert timedelta(seconds=61) <= outcome.due_at - NOON <= timedelta(seconds=61 + 60 * POLICY.jitter)


@pytest.mark.parametrize(("delay", "seconds"), [(None, 5), (0.0, 1), (1e9, outcomes.LONGEST_PACED)])
def test_how_long_it_waits_is_bounded(delay: float | None, seconds: float) -> None:
    outcome = conclude(new_delivery(created_at=NOON), Retry(error="e", delay=delay, about=About.PACE))
    assert outcome.due_at is not None
    assert seconds <= (outcome.due_at - NOON).total_seconds() <= seconds * 1.2


def test_it_waits_until_it_expires() -> None:
    delivery = new_delivery(created_at=NOON, expires_at=NOON + timedelta(seconds=30))
    outcome = conclude(delivery, PACED)
    assert (outcome.status, outcome.cancel_reason, outcome.tries) == (Status.PENDING, None, 0)
    assert (outcome.due_at, outcome.last_error) == (delivery.expires_at, "HTTP 429")


def test_it_does_not_wait_for_ever() -> None:
    old = NOON - timedelta(seconds=outcomes.MAX_PACED_SECONDS)
    outcome = conclude(new_delivery(created_at=old, held_since=old), PACED)
    assert (outcome.status, outcome.tries) == (Status.FAILED, 1)
    outcome = conclude(new_delivery(created_at=old, held_since=old, tries=4), PACED)
    assert (outcome.status, outcome.cancel_reason) == (Status.CANCELLED, CancelReason.EXHAUSTED)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("value", "least"),
    [
        ("0", 0),
        ("1.5", 1.5),
        ("2.", 2),
        ("00060", 60),
        ("999999999", 3600),
        ("999999999999.9", 0),
        (str(int(NOON.timestamp()) + 60), 60),
        (f"{NOON.timestamp() + 60}", 60),
        (str(int(NOON.timestamp()) + 10**8), 0),
        (str(int(NOON.timestamp()) - 60), 0),
        (str(int(NOON.timestamp() * 1000)), 0),
        ("Tue, 01 Jan 2030 12:01:00 GMT", 60),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Tue, 01 Jan 2030 12:01:00", 60),
        ("-5", 0),
        ("-1e9", 0),
        ("1e3", 0),
        ("inf", 0),
        ("nan", 0),
        ("5, 10", 0),
        ("soon", 0),
        ("\N{SUPERSCRIPT TWO}", 0),
        ("", 0),
        ("9" * 4000, 0),
    ],
)
def test_whatever_a_receiver_asks_for_is_bounded(status: int, value: str, least: float) -> None:
    result = judge(Answer(status, {"Retry-After": value}, b""), lambda: NOON)
    assert isinstance(result, Retry)
    outcome = conclude(new_delivery(created_at=NOON), result)
    assert outcome.due_at is not None
    waits = (outcome.due_at - NOON).total_seconds()
    untried = outcome.attempt is None
    most = (outcomes.LONGEST_PACED if untried else LONGEST_WAIT_ASKED) * (1 + POLICY.jitter)
    assert max(least, outcomes.SHORTEST_PACED) <= waits <= most
    # What asks for less than the policy, or for nothing that can be understood, waits no longer than that.
    if least <= 5:
        assert waits <= 6


@pytest.mark.parametrize("held_since", [None, NOON - timedelta(hours=23)])
def test_what_was_scheduled_long_ago_or_retried_has_its_time_to_wait_untried(held_since: datetime | None) -> None:
    delivery = new_delivery(created_at=NOON - timedelta(days=30), due_at=NOON, held_since=held_since)
    outcome = conclude(delivery, PACED)
    assert (outcome.status, outcome.tries, outcome.held_reason) == (Status.PENDING, 0, HeldReason.RATE)
