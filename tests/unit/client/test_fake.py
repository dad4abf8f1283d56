"""client/tidings_client/testing: what is sent when the clock is moved, what fails, and how an assertion reads."""

from datetime import UTC, datetime, timedelta

import pytest

from tidings_client import ConflictError, InvalidError
from tidings_client.testing import FakeTidings

RECIPIENT = "+905551111111"
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def fake() -> FakeTidings:
    return FakeTidings(now=NOON)


def test_what_is_due_is_sent_and_the_rest_when_the_clock_is_moved(fake: FakeTidings) -> None:
    fake.send("sms", RECIPIENT, "now")
    fake.send("sms", RECIPIENT, "later", due_at=NOON + timedelta(minutes=15))
    assert fake.assert_sent(RECIPIENT).content == "now"
    fake.clock.move(minutes=14)
    assert [message.content for message in fake.waiting] == ["later"]
    fake.clock.move(minutes=2)
    assert fake.assert_sent(containing="late").sent_at == NOON + timedelta(minutes=15)
    with pytest.raises(ValueError, match="time does not go back"):
        fake.clock.move(seconds=-1)


def test_the_order_is_that_of_the_due_times(fake: FakeTidings) -> None:
    order: list[str] = []
    fake.fail_deliveries(recipient="a", times=1)
    for recipient, minutes in (("c", 3), ("a", 1), ("b", 2)):
        fake.send("sms", recipient, recipient, due_at=NOON + timedelta(minutes=minutes), retry={"delays": [90]})
    fake.clock.move(hours=1)
    order = [message.recipient for message in sorted(fake.sent, key=lambda each: each.sent_at or NOON)]
    assert order == ["b", "a", "c"]


def test_a_delivery_that_fails_is_tried_again_until_its_tries_are_used_up(fake: FakeTidings) -> None:
    fake.fail_deliveries("the line is dead", times=2, recipient=RECIPIENT, status_code=503)
    message = fake.send("sms", RECIPIENT, "x", max_tries=2)
    fake.send("sms", "+4915112345678", "another")
    assert fake.get(message.id).status == "failed"
    assert fake.explain(message.id).reason == "retrying"
    fake.clock.move(seconds=5)
    found = fake.get(message.id)
    assert (found.status, found.cancel_reason, found.last_error) == ("cancelled", "exhausted", "the line is dead")
    assert [(each.try_, each.outcome, each.status_code) for each in fake.attempts(message.id)] == [
        (1, "retry", 503),
        (2, "retry", 503),
    ]
    assert fake.retry(message.id).tries == 0
    fake.assert_sent(RECIPIENT)


def test_what_is_cancelled_expired_or_stopped_is_not_sent(fake: FakeTidings) -> None:
    later = NOON + timedelta(minutes=1)
    cancelled = fake.send("sms", "a", "x", due_at=later)
    fake.cancel(cancelled.id)
    assert fake.cancel(cancelled.id).cancel_reason == "requested"
    fake.put_queue("sale", active=False)
    stopped = fake.send("sms", "b", "x", queue="sale")
    fake.fail_deliveries(recipient="c")
    expired = fake.send("sms", "c", "x", expires_at=NOON + timedelta(seconds=2))
    fake.clock.move(hours=1)
    fake.assert_nothing_sent()
    assert fake.get(expired.id).cancel_reason == "expired"
    assert fake.explain(stopped.id).reason == "queue_stopped"
    fake.start_queue("sale")
    assert fake.assert_sent("b").id == stopped.id
    with pytest.raises(ConflictError):
        fake.cancel(stopped.id)


def test_an_assertion_that_fails_says_what_there_is(fake: FakeTidings) -> None:
    with pytest.raises(AssertionError, match=r"^0 messages were sent with anything, not 1.\nNothing was handed in.$"):
        fake.assert_sent()
    fake.send("sms", RECIPIENT, "your code is 1234")
    fake.assert_sent(RECIPIENT, channel="sms", content="your code is 1234")
    with pytest.raises(AssertionError, match=r"0 messages were sent with containing '5678', not 1.\n.*\n  sent sms"):
        fake.assert_sent(containing="5678")
    with pytest.raises(AssertionError, match="1 messages were sent with anything, not 2"):
        fake.assert_sent(times=2)
    with pytest.raises(AssertionError, match=r"1 messages were sent.\n"):
        fake.assert_nothing_sent()


def test_the_same_key_is_the_same_message_and_not_another_one(fake: FakeTidings) -> None:
    first = fake.send("sms", RECIPIENT, "x", idempotency_key="one")
    assert fake.send("sms", RECIPIENT, "x", idempotency_key="one").id == first.id
    with pytest.raises(InvalidError, match="Idempotency-Key was used for another request"):
        fake.send("sms", RECIPIENT, "y", idempotency_key="one")
    assert len(fake.messages) == 1
