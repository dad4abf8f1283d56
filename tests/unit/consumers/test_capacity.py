"""consumers/capacity.py: how much of what may be in flight."""

import msgspec
import pytest

from consumers.capacity import Limits, Share, shares
from tidings.settings import Settings


def test_the_last_part_is_kept_for_what_is_sure_to_end() -> None:
    share = Share(8, kept=4, most_bytes=1000)
    for _ in range(6):
        assert share.takes(1, sure=False)
        share.add(1, sure=False)
    assert not share.takes(1, sure=False)
    share.add(1, sure=True)
    assert not share.takes(1, sure=False)
    assert share.takes(1, sure=True)
    share.add(1, sure=True)
    assert share.full
    assert not share.takes(1, sure=True)
    share.remove(1, sure=False)
    assert share.takes(1, sure=False)


def test_contents_are_bounded_but_one_goes_whatever_its_size() -> None:
    share = Share(10, kept=4, most_bytes=1000)
    assert share.takes(5000, sure=False)
    share.add(600, sure=False)
    assert share.takes(400, sure=False)
    assert not share.takes(401, sure=True)
    share.add(400, sure=False)
    # As small as all of them might be.
    assert share.takes(100, sure=False)
    assert not share.takes(101, sure=False)
    share.remove(600, sure=False)
    share.remove(400, sure=False)
    assert (share.in_flight, share.held_bytes, share.unsure) == (0, 0, 0)


def test_the_smallest_limits_let_one_go() -> None:
    fast, slow = shares(Limits(in_flight=1, slow=1, per_destination=1, held_bytes=1))
    assert fast.takes(9, sure=False)
    assert slow.takes(9, sure=False)


@pytest.mark.parametrize(("files", "slow"), [(65_536, 2048), (2048, 960), (1024, 192), (256, 1)])
def test_fewer_may_be_slow_where_the_process_may_open_few_files(files: int, slow: int) -> None:
    limits = Limits.of(Settings(), files=files)
    assert limits.slow == slow
    assert limits.in_flight == Settings().in_flight


def test_the_limits_are_those_of_the_settings() -> None:
    settings = msgspec.structs.replace(Settings(), in_flight_slow=7, in_flight_bytes=800, in_flight_per_destination=3)
    limits = Limits.of(settings, files=65_536)
    assert (limits.slow, limits.held_bytes, limits.per_destination, limits.destination_bytes) == (7, 800, 3, 200)
