"""`tidings drill`: kills something in a deployment under load, and counts what that did to the messages.

In play: canary messages, numbered, sent through the deployment's own API on channel `webhook` to a receiver in this
process (`receiver.py`), and whatever is to be killed (`victims.py`), which dies by SIGKILL once, at a random
time while the canaries flow. What is kept running elsewhere (a supervisor, an orchestrator) must bring it back: the
drill starts nothing. If the drill itself is ended, its remaining canaries fail and are cancelled after their tries.

A canary that the API refused, or whose response was lost, is posted again under the same idempotency key.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from rich.console import Console

from tidings.cli.client import ApiClient, ApiError
from tidings.cli.drill.receiver import DrillReceiver
from tidings.cli.drill.report import Canary, DrillReport, print_report, report
from tidings.cli.drill.victims import Victim, kill
from tidings.cli.options import Api
from tidings.domain.ids import new_id

KILL_BETWEEN: Final = (0.3, 0.6)
"""Part of the canaries that are sent when something is killed, from … to …"""
AGAIN_SECONDS: Final = 0.2
AT_ONCE: Final = 100
"""Canaries without the API's answer at the most."""

_FOR_GOOD: Final = range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill does."""

    canaries: int
    rate: float
    """Canaries a second."""
    wait_seconds: float
    """How long after the last canary was accepted all of them must have arrived."""
    listen: str
    """`host:port` of the receiver."""
    receiver_url: str
    """Where the deployment reaches the receiver; empty: where it listens."""
    victims: Sequence[Victim] = ()


async def drill(plan: Plan, *, api: Api, as_json: bool) -> int:
    """Runs the drill and prints what came of it; 1 where a canary was lost or did not come in time.

    Raises ApiError where the API refuses canaries for good, SettingsError where the receiver cannot listen.
    """
    console = Console(stderr=True)
    async with (
        ApiClient(api.url, api.api_key) as client,
        DrillReceiver(plan.listen, public_url=plan.receiver_url) as receiver,
    ):
        run = _Run(plan, client, receiver)
        with console.status(f"{plan.canaries} canaries on their way"):
            found = await run.play()
    print_report(found, as_json=as_json)
    return 1 if found.lost or found.late else 0


class _Run:
    """One drill under way."""

    def __init__(self, plan: Plan, api: ApiClient, receiver: DrillReceiver) -> None:
        self._plan = plan
        self._api = api
        self._receiver = receiver
        self._key = f"drill-{new_id()}"
        self._canaries: list[Canary] = []
        self._killed_at: float | None = None

    async def play(self) -> DrillReport:
        killing = asyncio.create_task(self._kill())
        try:
            await self._send_all()
            await killing
        finally:
            killing.cancel()
        await self._arrived()
        fates = await self._fates()
        return report(
            self._canaries, self._receiver.arrivals, fates, killed_at=self._killed_at, victims=self._plan.victims
        )

    async def _send_all(self) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(1, self._plan.canaries + 1):
                    await asyncio.sleep(max(began + number / self._plan.rate - time.monotonic(), 0))
                    await room.acquire()
                    tasks.create_task(self._send(number)).add_done_callback(lambda _: room.release())
        except ExceptionGroup as refused:
            raise refused.exceptions[0] from None

    async def _send(self, number: int) -> None:
        canary = {
            "channel": "webhook",
            "recipient": self._receiver.url,
            "content": msgspec.json.encode({"canary": number}).decode(),
        }
        key = f"{self._key}-{number}"
        while True:
            try:
                accepted = await self._api.post("/api/v1/messages", canary, key=key)
            except ApiError as error:
                if error.status in _FOR_GOOD and error.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self._canaries.append(Canary(number=number, id=accepted["id"], accepted_at=time.time()))
                return

    async def _kill(self) -> None:
        if not self._plan.victims:
            return
        first, last = (share * self._plan.canaries / self._plan.rate for share in KILL_BETWEEN)
        await asyncio.sleep(random.uniform(first, last))  # noqa: S311  no secret hangs on it
        self._killed_at = time.time()
        for victim in self._plan.victims:
            kill(victim)

    async def _arrived(self) -> None:
        """Returns when every canary has arrived, or the patience is over."""
        try:
            async with asyncio.timeout(self._plan.wait_seconds):
                await self._receiver.all_of(canary.id for canary in self._canaries)
        except TimeoutError:
            return
        # A duplicate comes, if it comes, when the lease of the dead has run out.
        if self._killed_at is not None:
            await asyncio.sleep(max(self._killed_at + self._plan.wait_seconds - time.time(), 0))

    async def _fates(self) -> dict[str, dict[str, Any]]:
        """What the API says of the canaries that did not arrive."""
        missing = [canary.id for canary in self._canaries if canary.id not in self._receiver.arrivals]
        fates = {}
        for message_id in missing:
            try:
                fates[message_id] = await self._api.get(f"/api/v1/messages/{message_id}")
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
        return fates
