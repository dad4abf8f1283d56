"""Many hosts that accept and never answer, beside others: real sockets on 127.0.0.0/8, and the whole consumer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain, zip_longest
from sys import getsizeof

import msgspec

from consumers.consumer import Consumer
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.channels.receivers import Receiver, read_request
from tests.integration.consumers.test_consumer import hand_over, until
from tidings.domain.message import Priority
from tidings.domain.states import Status
from tidings.settings import Settings


class Hosts:
    """Every address of 127.1.0.0/16 answers 200, and every one of 127.2.0.0/16 says nothing until `release` is set."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.release = asyncio.Event()
        self._receiver = Receiver(self._serve, host="0.0.0.0")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with self._receiver:
            try:
                yield
            finally:
                self.release.set()

    def good(self, number: int) -> str:
        return self._url(f"127.1.0.{number}")

    def hanging(self, number: int) -> str:
        return self._url(f"127.2.0.{number}")

    def _url(self, address: str) -> str:
        return self._receiver.url.replace("0.0.0.0", address)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        while True:
            await read_request(reader)
            self.received[address] += 1
            if address.startswith("127.2."):
                await self.release.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@asynccontextmanager
async def consuming(settings: Settings, **changes: object) -> AsyncIterator[Consumer]:
    consumer = await Consumer.start(msgspec.structs.replace(settings, **changes))
    try:
        yield consumer
    finally:
        await consumer.stop()


async def test_hosts_that_hang_take_nothing_from_those_that_answer(store: Store, settings: Settings) -> None:
    hosts = Hosts()
    async with (
        hosts.listening(),
        consuming(settings, in_flight=8, in_flight_per_destination=8, in_flight_slow=100) as consumer,
    ):
        pairs = zip_longest((hosts.hanging(n) for n in range(1, 61)), (hosts.good(n) for n in range(1, 21)))
        urls = [url for url in chain.from_iterable(pairs) if url] * 3
        ids = {(await keep(store, channel="webhook", recipient=url))[0]: url for url in urls}
        good = [message_id for message_id, url in ids.items() if "127.1." in url]

        async def hand_over_all() -> None:
            # As the producer does: what came back is claimed again.
            while True:
                await hand_over(store, consumer)
                await asyncio.sleep(0.05)

        handing = asyncio.create_task(hand_over_all())
        try:
            # Long before the first time-out of those that hang, of which there are more than fit into the fast share.
            async with asyncio.timeout(settings.delivery_timeout / 2):
                for message_id in good:
                    await until(store, message_id, Status.SENT)
                [urgent] = await keep(store, channel="webhook", recipient=hosts.good(99), priority=Priority.HIGH)
                await until(store, urgent, Status.SENT)
            assert {count for address, count in hosts.received.items() if address.startswith("127.2.")} == {1}
            assert consumer._dispatcher.limiter.slow == 60
            hosts.release.set()
            for message_id in ids:
                message = await store.messages.get(message_id)
                assert message is not None
                assert message.tries <= 1
        finally:
            handing.cancel()
            await asyncio.wait([handing])


async def test_a_host_that_answers_again_gets_all_that_waits_for_it(store: Store, settings: Settings) -> None:
    hosts = Hosts()
    async with hosts.listening(), consuming(settings) as consumer:
        ids = await keep(store, 50, channel="webhook", recipient=hosts.hanging(1))
        await hand_over(store, consumer)

        async def one() -> bool:
            return hosts.received["127.2.0.1"] == 1

        await eventually(one)
        assert (consumer._dispatcher.limiter.in_flight, consumer._dispatcher.limiter.waiting) == (1, 49)
        hosts.release.set()
        for message_id in ids:
            await until(store, message_id, Status.SENT)


async def test_large_contents_that_wait_are_bounded(store: Store, settings: Settings) -> None:
    hosts, content, most = Hosts(), "x" * 100_000, 1_000_000
    async with hosts.listening(), consuming(settings, in_flight_bytes=most) as consumer:
        for number in range(60):
            await keep(store, channel="webhook", recipient=hosts.hanging(number + 1), content=content)
        over = asyncio.create_task(hand_over(store, consumer, batch_size=5))
        limiter = consumer._dispatcher.limiter

        async def half() -> bool:
            return limiter.slow == most // 2 // getsizeof(content)

        await eventually(half)
        # The others go back, so that there is room.
        await over
        assert limiter.held_bytes < most
        hosts.release.set()

        async def nothing_held() -> bool:
            return limiter.held_bytes == 0

        await eventually(nothing_held)
        assert hosts.received.total() >= most // 2 // getsizeof(content)


async def test_a_path_that_hangs_leaves_its_host_to_its_other_paths(store: Store, settings: Settings) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await read_request(reader)
            if b"/dead" in head:
                hung.append(head)
                await asyncio.Event().wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    hung: list[bytes] = []
    async with Receiver(serve) as receiver, consuming(settings, in_flight_per_destination=32) as consumer:
        good = receiver.url.replace("/hook", "/good")
        before = await keep(store, 40, channel="webhook", recipient=good)
        await hand_over(store, consumer)
        for message_id in before:
            await until(store, message_id, Status.SENT)
        await keep(store, 40, channel="webhook", recipient=receiver.url.replace("/hook", "/dead"))
        await hand_over(store, consumer)
        ids = await keep(store, 40, channel="webhook", recipient=good)
        async with asyncio.timeout(settings.delivery_timeout / 2):
            await hand_over(store, consumer)
            for message_id in ids:
                await until(store, message_id, Status.SENT)
        assert len(hung) == 8
        # A stop need not wait for their time limit.
        for task in [*consumer._dispatcher._shared.running.values()]:
            task.cancel()
