"""A receiver that takes messages and cuts the connection before it answers."""

import pytest

from tests.chaos.counting_receiver import Manner
from tests.chaos.round import ANSWER_SECONDS, Round, row

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

CUT = 0.1


@row("16", "a receiver that takes one message in ten and cuts the connection before answering", short=True)
async def test_cut_connections(chaos: Round) -> None:
    again_soon = {"RETRY_DELAYS": "1"}
    await chaos.start(consumers=[again_soon, again_soon])
    await chaos.receiver.behave(Manner(delay=ANSWER_SECONDS, cut=CUT, seed=chaos.rng.getrandbits(32)))
    async with chaos.under_load() as fault:
        await chaos.moment()
        await chaos.receiver.behave(Manner(delay=ANSWER_SECONDS))
        fault.cuts_count = True
