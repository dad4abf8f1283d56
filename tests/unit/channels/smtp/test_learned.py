"""tidings/channels/smtp/learned.py: what a refusal teaches, and for how long."""

from tidings.channels.smtp.learned import INCREASE_SECONDS, LONGEST_INCREASE_SECONDS, SESSION_SECONDS, Learned


def test_how_many_mails_a_session_carries_is_kept_for_an_hour() -> None:
    learned = Learned()
    assert learned.most_mails(0) == float("inf")
    assert not learned.lasts(0)
    learned.session_ended(10, now=0)
    assert learned.lasts(SESSION_SECONDS - 1)
    assert not learned.lasts(SESSION_SECONDS)
    assert learned.most_mails(SESSION_SECONDS - 1) == 10
    assert learned.most_mails(SESSION_SECONDS) == float("inf")


def test_a_slot_is_tried_again_after_a_minute() -> None:
    learned = Learned()
    learned.decreased(now=0)
    learned.decreased(now=10)
    assert not learned.may_increase(now=9 + INCREASE_SECONDS)
    assert learned.may_increase(now=10 + INCREASE_SECONDS)
    assert not learned.may_increase(now=11 + INCREASE_SECONDS), "one at a time"
    assert learned.may_increase(now=10 + 2 * INCREASE_SECONDS)


def test_what_was_too_early_waits_twice_as_long() -> None:
    learned, now, waits = Learned(), 0.0, []
    for _ in range(9):
        learned.decreased(now)
        began = now
        while not learned.may_increase(now):
            now += INCREASE_SECONDS / 2
        waits.append(now - began)
    assert waits[:3] == [INCREASE_SECONDS, 2 * INCREASE_SECONDS, 4 * INCREASE_SECONDS]
    assert waits[-1] == LONGEST_INCREASE_SECONDS
