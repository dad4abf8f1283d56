"""Spreads: what quantiles are told from."""

import random
from itertools import pairwise
from statistics import quantiles

import pytest

from tidings.observability.reports import BOUNDS, Histogram, Tally, bucket_of


def spread(*values: float) -> Histogram:
    made = Histogram()
    for value in values:
        made.add(value)
    return made


def test_nothing_has_no_quantiles() -> None:
    assert Histogram().quantile(0.99) is None


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_quantile_is_off_by_less_than_its_class(share: float) -> None:
    source = random.Random(4711)
    values = [source.lognormvariate(-4, 1.5) for _ in range(20_000)]
    true = quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
    told = spread(*values).quantile(share)
    assert told is not None
    assert true / 1.25 < told < true * 1.25


def test_merging_is_like_having_counted_together() -> None:
    merged = spread(0.01, 0.2, 7)
    merged.merge(spread(0.2, 0.0, 100_000_000.0))
    assert merged == spread(0.01, 0.2, 7, 0.2, 0.0, 100_000_000.0)


def test_what_is_out_of_bounds_counts_at_the_ends() -> None:
    assert spread(-5).quantile(1) == BOUNDS[0]
    assert spread(10 * BOUNDS[-1]).quantile(1) == BOUNDS[-1]


def test_bounds_grow_by_half_or_so() -> None:
    assert all(1.3 < upper / lower < 1.7 for lower, upper in pairwise(BOUNDS))


def test_tallies_add_up() -> None:
    one = Tally(sent=1, failed=2, cancelled=3, lateness=spread(1), duration=spread(2))
    one.merge(Tally(sent=10, failed=20, cancelled=30, lateness=spread(1), duration=spread(3)))
    assert one == Tally(sent=11, failed=22, cancelled=33, lateness=spread(1, 1), duration=spread(2, 3))


def test_buckets_are_five_seconds() -> None:
    assert [bucket_of(moment) for moment in (0, 4.99, 5, 10.1)] == [0, 0, 1, 2]
