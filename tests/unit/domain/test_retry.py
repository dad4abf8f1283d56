"""tidings/domain/retry.py"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.domain.retry import LONGEST_WAIT_ASKED, Delays, RetryPolicy

DELAYS = (5.0, 30.0, 120.0)


def policy(chance: float = 0.5, jitter: float = 0.2) -> RetryPolicy:
    return RetryPolicy(delays=DELAYS, jitter=jitter, random=lambda: chance)


@pytest.mark.parametrize(("try_number", "delay"), [(1, 5), (2, 30), (3, 120), (4, 120), (100, 120)])
def test_the_last_delay_repeats(try_number: int, delay: float) -> None:
    assert policy().delay_after(try_number) == delay


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 4.0), (0.25, 4.5), (0.5, 5.0), (0.75, 5.5)])
def test_jitter_spreads_both_ways(chance: float, delay: float) -> None:
    assert policy(chance).delay_after(1) == pytest.approx(delay)


def test_no_jitter() -> None:
    assert policy(0.0, jitter=0).delay_after(1) == 5


@pytest.mark.parametrize(
    ("chance", "asked", "delay"),
    [
        (0.0, 60, 60),
        (0.5, 60, 66),
        (0.5, 1, 5),  # less than the policy's own delay changes nothing
        (0.5, 0, 5),
        (0.0, 10 * LONGEST_WAIT_ASKED, LONGEST_WAIT_ASKED),
        (0.0, math.inf, LONGEST_WAIT_ASKED),
        (0.5, math.nan, 5),
    ],
)
def test_a_wait_that_the_receiver_asks_for_is_a_minimum(chance: float, asked: float, delay: float) -> None:
    assert policy(chance).delay_after(1, asked) == pytest.approx(delay)


@given(
    try_number=st.integers(min_value=0, max_value=1000),
    asked=st.none() | st.floats(min_value=0),
    chance=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_every_delay_is_within_bounds(try_number: int, asked: float | None, chance: float) -> None:
    delay = policy(chance).delay_after(try_number, asked)
    assert 4 <= delay <= 1.2 * LONGEST_WAIT_ASKED
    if asked is not None:
        assert delay >= min(asked, LONGEST_WAIT_ASKED)


def test_the_default_random_source_stays_within_the_jitter() -> None:
    real = RetryPolicy(delays=DELAYS, jitter=0.2)
    delays = [real.delay_after(1) for _ in range(100)]
    assert all(4 <= delay <= 6 for delay in delays)
    assert len(set(delays)) > 1


def test_the_messages_own_delays_go_before_the_settings_and_the_settings_before_the_channels() -> None:
    def channels(name: str) -> Delays:
        return {"mail": (300.0, 900.0)}[name]

    by_channel = RetryPolicy(jitter=0, of_channel=channels)
    assert [by_channel.delay_after(number, channel="mail") for number in (1, 2, 3)] == [300, 900, 900]
    assert by_channel.delay_after(2, channel="mail", own=(1, 2)) == 2
    by_setting = RetryPolicy(delays=DELAYS, jitter=0, of_channel=channels)
    assert by_setting.delay_after(1, channel="mail") == 5
    assert by_setting.delay_after(1, channel="mail", own=(1, 2)) == 1
