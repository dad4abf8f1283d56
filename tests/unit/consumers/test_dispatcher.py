"""consumers/dispatcher.py: which destination a delivery goes to, whatever its channel says."""

from typing import cast

import pytest

from consumers.dispatcher import destination_of
from tests.factories import new_delivery
from tidings.channels.base import Channel
from tidings.domain.message import Delivery


class Scripted:
    """A channel that says of its destinations what the test wants."""

    def __init__(self, concurrency: object, *, broken: bool = False) -> None:
        self.places_per_destination = concurrency
        self._broken = broken

    def destination(self, delivery: Delivery) -> str:
        if self._broken:
            raise KeyError(delivery.recipient)
        return "there"


@pytest.mark.parametrize(
    ("concurrency", "expected"), [(None, ("echo there", None)), (3, ("echo there", 3)), (0, ("echo there", 1))]
)
def test_the_key_and_the_concurrency(concurrency: object, expected: tuple[str, int | None]) -> None:
    assert destination_of(cast("Channel", Scripted(concurrency)), new_delivery()) == expected


@pytest.mark.parametrize("channel", [None, Scripted("many"), Scripted(None, broken=True)])
def test_what_a_defect_of_the_channel_leaves_is_its_name(channel: object) -> None:
    assert destination_of(cast("Channel", channel), new_delivery()) == ("echo", None)
