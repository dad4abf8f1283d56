"""One host with several paths, a real receiver and the whole consumer: who is held up, and by what."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
from aiohttp import web
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.consumer import Consumer
from sql.lists import MessageFilter
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.channels.receivers import web_receiver
from tests.integration.consumers.test_consumer import hand_over, until
from tests.integration.consumers.test_metrics import scrape
from tests.integration.consumers.test_report import reports
from tests.unit.observability.test_metrics import free_port
from tidings.channels.webhook.recipient import shortened
from tidings.domain.message import Message
from tidings.domain.states import HeldReason, Status
from tidings.settings import Settings


class Host:
    """Answers 503 to whatever goes to `/bad`; takes `rate` a second of the rest, and answers 429 beyond."""

    def __init__(self, rate: int | None = None) -> None:
        self.answers: Counter[int] = Counter()
        self._rate = rate
        self._taken: list[float] = []

    async def receive(self, request: web.Request) -> web.Response:
        status = 503 if request.path.startswith("/bad") else 200 if self._takes() else 429
        self.answers[status] += 1
        return web.Response(status=status, headers={"Retry-After": "1"} if status == 429 else {})

    def _takes(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._taken = [at for at in self._taken if now - at < 1]
        if self._rate is not None and len(self._taken) >= self._rate:
            return False
        self._taken.append(now)
        return True


@asynccontextmanager
async def delivering(settings: Settings, host: Host, **changes: object) -> AsyncIterator[tuple[Consumer, str]]:
    async with web_receiver(host.receive) as url:
        consumer = await Consumer.start(msgspec.structs.replace(settings, **changes))
        try:
            yield consumer, url.rpartition("/")[0]
        finally:
            await consumer.stop()


async def webhooks(store: Store, url: str, count: int, user_id: UUID | None = None) -> list[UUID]:
    return await keep(store, count, channel="webhook", recipient=url, user_id=user_id)


async def held_reason(store: Store, message_id: UUID) -> HeldReason | None:
    """Waits until a message has failed or is held; a message that was never tried has not failed."""

    async def came_back() -> Message | None:
        message = await store.messages.get(message_id)
        assert message is not None
        assert message.tries or message.status is not Status.FAILED
        return message if message.status is Status.FAILED or message.held_reason else None

    message = await eventually(came_back)
    assert message is not None
    return message.held_reason


async def test_a_dead_path_stops_neither_another_path_of_its_host_nor_another_user(
    store: Store, settings: Settings
) -> None:
    ada = await store.users.create(email="ada@example.com", password_hash="x")
    bob = await store.users.create(email="bob@example.com", password_hash="x")
    host = Host()
    async with delivering(settings, host, breaker_failures=5, breaker_seconds=60) as (consumer, url):
        dead = await webhooks(store, f"{url}/bad?n=1", 20, ada.id)
        await hand_over(store, consumer)
        assert {await held_reason(store, message_id) for message_id in dead} <= {None, HeldReason.BREAKER}
        [breaker] = consumer._dispatcher.limiter.breakers()
        assert breaker.name == f"webhook {shortened(f'{url}/bad')}"
        assert breaker.user_id == ada.id
        good = await webhooks(store, f"{url}/good", 3, ada.id)
        [bobs] = await webhooks(store, f"{url}/bad", 1, bob.id)
        [held] = await webhooks(store, f"{url}/bad?n=2", 1, ada.id)
        await hand_over(store, consumer)
        for message_id in good:
            await until(store, message_id, Status.SENT)
        # His is tried, hers is not.
        assert (await until(store, bobs, Status.FAILED)).tries == 1
        message = await until(store, held, Status.PENDING)
        assert (message.tries, message.held_reason, message.last_error) == (0, HeldReason.BREAKER, None)
        assert (
            await store.messages.list(MessageFilter(held=HeldReason.BREAKER, user_id=bob.id), before=None, limit=1)
            == []
        )


async def test_the_path_of_a_url_is_shown_to_its_owner_alone(store: Store, settings: Settings, redis: Redis) -> None:
    secret = "T024BE7LD/B0123/aXuTPjdd5nHHG"
    host, port = Host(), free_port()
    with capture_logs() as logged:
        async with delivering(settings, host, breaker_failures=1, metrics_port=port) as (consumer, url):
            [failed] = await webhooks(store, f"{url}/bad/{secret}?token={secret}", 1)
            [hung_up] = await webhooks(store, f"http://127.0.0.1:{free_port()}/{secret}", 1)
            await hand_over(store, consumer)
            errors = [(await until(store, each, Status.FAILED)).last_error for each in (failed, hung_up)]
            await consumer._reporter.report()
            [report] = (await reports(redis)).values()
            metrics = await scrape(port)
    assert any(line["event"] == "breaker opened" and "…" in line["destination"] for line in logged)
    assert ["…" in each.destination for each in report.breakers] == [False, True]
    shown = f"{logged} {report} {errors} {metrics}"
    assert errors[0] == "HTTP 503 Service Unavailable"
    assert not [part for part in secret.split("/") if part in shown]


async def test_a_receiver_that_takes_so_many_a_second_costs_no_attempts(store: Store, settings: Settings) -> None:
    rate = 10
    host = Host(rate)
    async with delivering(settings, host) as (consumer, url):
        ids = await webhooks(store, f"{url}/good", 40)
        began = asyncio.get_running_loop().time()

        async def all_sent() -> bool:
            await hand_over(store, consumer)
            return host.answers[200] >= len(ids)

        await eventually(all_sent, within=30)
        seconds = asyncio.get_running_loop().time() - began
        for message_id in ids:
            message = await until(store, message_id, Status.SENT)
            assert message.tries == 1
            assert [attempt.status_code for attempt in await store.messages.attempts(message)] == [200]
    # Without a breaker between it and us: at least half of what it allows, once the first burst is over.
    assert host.answers[200] / seconds > rate / 2
    assert host.answers[429] < 60
