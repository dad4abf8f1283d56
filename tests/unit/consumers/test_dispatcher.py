"""consumers/dispatcher.py: which destination a delivery goes to, whatever its channel says."""

from typing import cast

import pytest

from consumers.dispatcher import destination_of
from tests.factories import new_delivery
from tidings.channels.base import Channel
from tidings.channels.recipient import EndpointKey
from tidings.domain.ids import new_id
from tidings.domain.message import Delivery


class Scripted:
    """A channel that says of its destinations what the test wants."""

    def __init__(self, concurrency: object, *, broken: bool = False) -> None:
        self._concurrency = concurrency
        self._broken = broken

    def concurrency(self, delivery: Delivery) -> object:
        return self._concurrency

    def destination(self, delivery: Delivery) -> str:
        if self._broken:
            raise KeyError(delivery.recipient)
        return "there"

    def endpoint(self, delivery: Delivery) -> EndpointKey:
        return EndpointKey("there/path", delivery.user_id)


@pytest.mark.parametrize(("concurrency", "expected"), [(None, None), (3, 3), (0, 1)])
def test_the_keys_and_the_concurrency(concurrency: object, expected: int | None) -> None:
    user_id = new_id()
    keys = destination_of(cast("Channel", Scripted(concurrency)), new_delivery(user_id=user_id))
    assert keys == ("echo there", EndpointKey("echo there/path", user_id), expected)


@pytest.mark.parametrize("channel", [None, Scripted("many"), Scripted(None, broken=True)])
def test_what_a_defect_of_the_channel_leaves_is_its_name(channel: object) -> None:
    assert destination_of(cast("Channel", channel), new_delivery()) == ("echo", None, None)
