"""The API is killed between accepting messages and answering."""

import asyncio

import pytest

from tests.chaos.round import Round, row

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

AT_ONCE = 100
"""Requests under way at the kill."""


@row("4", "SIGKILL the API between accept and answer", recovered_within=3, short=True)
async def test_sigkill_of_the_api(chaos: Round) -> None:
    await chaos.start()
    async with chaos.under_load() as fault:
        posting = asyncio.gather(*(chaos.flow.post() for _ in range(AT_ONCE)))
        await chaos.moment(0.0, 0.2)
        await chaos.api.kill()
        await chaos.start_api()
        fault.over()
        await posting
