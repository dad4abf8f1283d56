"""What a consumer tells of itself: real stores, real deliveries."""

from datetime import timedelta

import msgspec
from aiohttp import web
from redis.asyncio import Redis

from sql.store import Store
from tests.eventually import eventually
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, holding, keep_sms, until
from tests.reporting import report
from tidings.channels.recipient import EndpointKey
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now
from tidings.observability.reports import BUCKET_LIFE_SECONDS, BucketReport, ConsumerReport, RateReport, Tally
from tidings.redis import keys
from tidings.settings import Settings


async def reports(redis: Redis) -> dict[str, ConsumerReport]:
    async with redis.pipeline() as pipe:
        pipe.hgetall(keys.CONSUMERS)
        [entries] = await pipe.execute()
    return {name.decode(): msgspec.json.decode(entry, type=ConsumerReport) for name, entry in entries.items()}


async def reported(redis: Redis, name: str) -> ConsumerReport:
    async def look() -> ConsumerReport | None:
        return (await reports(redis)).get(name)

    found = await eventually(look)
    assert found is not None
    return found


async def done(redis: Redis) -> dict[tuple[str, str], Tally]:
    """All that is reported, over all buckets and consumers."""
    total: dict[tuple[str, str], Tally] = {}
    for key in await redis.keys("tidings:reports:*"):
        async with redis.pipeline() as pipe:
            pipe.hvals(key)
            [entries] = await pipe.execute()
        for entry in entries:
            for series in msgspec.msgpack.decode(entry, type=BucketReport).series:
                total.setdefault((series.channel, series.queue), Tally()).merge(series.tally)
    return total


async def test_what_was_done_is_reported_once(store: Store, settings: Settings, redis: Redis) -> None:
    ids = await keep_sms(store, 150)
    async with consuming(settings, Gateway(web.Response(status=400))) as consumer:
        await hand_over(store, consumer)

        async def counted() -> bool:
            return sum(tally.sent + tally.cancelled for tally in (await done(redis)).values()) == 150

        await eventually(counted)
        report = await reported(redis, consumer.name)
    [(key, tally)] = (await done(redis)).items()
    assert key == ("sms", "default")
    assert (tally.sent, tally.failed, tally.cancelled) == (149, 0, 1)
    assert sum(tally.lateness.counts.values()) == sum(tally.duration.counts.values()) == len(ids)
    assert report.in_flight_limit == settings.in_flight
    for key_name in await redis.keys("tidings:reports:*"):
        assert BUCKET_LIFE_SECONDS - 60 < await redis.ttl(key_name) <= BUCKET_LIFE_SECONDS


async def test_a_consumer_tells_how_it_is_until_it_stops(store: Store, settings: Settings, redis: Redis) -> None:
    await keep_sms(store, 30)
    async with holding(store, settings, in_flight=10) as consumer:

        async def busy() -> ConsumerReport | None:
            report = await reported(redis, consumer.name)
            return report if report.in_flight == 10 else None

        report = await eventually(busy)
        assert report is not None
        assert (report.open_batches, report.in_flight_limit, report.stopping) == (1, 10, False)
        assert report.waiting > 0
        assert abs(report.reported_at - utc_now()) < timedelta(seconds=5)
    assert await reports(redis) == {}


async def test_an_idle_consumer_writes_no_buckets(settings: Settings, redis: Redis) -> None:
    async with consuming(settings, Gateway()) as consumer:
        first = await reported(redis, consumer.name)

        async def again() -> bool:
            return (await reported(redis, consumer.name)).reported_at > first.reported_at

        await eventually(again)
        assert await redis.keys("tidings:reports:*") == []


async def test_a_report_costs_five_commands(store: Store, settings: Settings, redis: Redis) -> None:
    [message_id] = await keep_sms(store)
    async with consuming(settings, Gateway()) as consumer:
        await reported(redis, consumer.name)
        # From here on nobody else talks to Redis.
        await cancel_and_wait(*(loop for loop in consumer._loops if loop.get_name() in {"reports", "slots"}))
        before = await commands(redis)
        await consumer._reporter.report()
        assert await commands(redis) - before - 1 == 3
        await hand_over(store, consumer)
        await until(store, message_id, Status.SENT)
        await consumer._recorder.written()
        await consumer._dedup.written()
        before = await commands(redis)
        await consumer._reporter.report()
        assert await commands(redis) - before - 1 == 5


async def commands(redis: Redis) -> int:
    """Commands that Redis has processed, this one's own included."""
    return int((await redis.info("stats"))["total_commands_processed"])


async def test_a_flushed_redis_is_reported_to_again(settings: Settings, redis: Redis) -> None:
    async with consuming(settings, Gateway()) as consumer:
        await reported(redis, consumer.name)
        await redis.flushall()
        assert (await reported(redis, consumer.name)).name == consumer.name


async def test_the_dead_are_cleared_away_by_whoever_starts(settings: Settings, redis: Redis) -> None:
    async with consuming(settings, Gateway()) as consumer:
        report = await reported(redis, consumer.name)
    long_dead = msgspec.structs.replace(report, name="dead", reported_at=utc_now() - timedelta(minutes=2))
    lately_dead = msgspec.structs.replace(report, name="lately", reported_at=utc_now() - timedelta(seconds=20))
    entries = {"dead": msgspec.json.encode(long_dead), "lately": msgspec.json.encode(lately_dead), "odd": b"{}"}
    async with redis.pipeline() as pipe:
        pipe.hset(keys.CONSUMERS, mapping=entries)
        await pipe.execute()
    async with consuming(settings, Gateway()) as consumer:

        async def names() -> bool:
            return await names_in(redis) == {"lately", consumer.name}

        await eventually(names)


async def names_in(redis: Redis) -> set[str]:
    async with redis.pipeline() as pipe:
        pipe.hkeys(keys.CONSUMERS)
        [names] = await pipe.execute()
    return {name.decode() for name in names}


async def test_an_open_breaker_is_reported(store: Store, settings: Settings, redis: Redis) -> None:
    await keep_sms(store, 5)
    gateway = Gateway(*(web.Response(status=503) for _ in range(5)))
    async with consuming(settings, gateway, breaker_failures=2, breaker_seconds=30) as consumer:
        await hand_over(store, consumer, batch_size=2)

        async def opened() -> ConsumerReport | None:
            report = await reported(redis, consumer.name)
            return report if report.breakers else None

        report = await eventually(opened)
    assert report is not None
    [breaker] = report.breakers
    assert (breaker.destination, breaker.state) == ("sms sms", "open")
    assert 20 < breaker.seconds <= 30


async def test_the_rate_of_a_receiver_that_answers_429_is_reported(
    store: Store, settings: Settings, redis: Redis
) -> None:
    await keep_sms(store, 5)
    gateway = Gateway(*(web.Response(status=429, headers={"Retry-After": "300"}) for _ in range(5)))
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)

        async def limited() -> ConsumerReport | None:
            report = await reported(redis, consumer.name)
            return report if report.rates else None

        report = await eventually(limited)
    assert report is not None
    [paced] = report.rates
    assert (paced.destination, paced.user_id, report.breakers) == ("sms sms", None, ())
    assert 0 < paced.rate < 2


async def test_a_consumer_knows_the_rates_of_the_others(store: Store, settings: Settings, redis: Redis) -> None:
    await keep_sms(store, 5)
    gateway = Gateway(*(web.Response(status=429, headers={"Retry-After": "300"}) for _ in range(5)))
    here = RateReport(destination="sms sms", rate=3.0)
    elsewhere = RateReport(destination="sms other", rate=4.0)
    await report(redis, name="one", rates=(here, elsewhere))
    await report(redis, name="two", rates=(here,))
    await report(redis, name="dead", reported_at=utc_now() - timedelta(seconds=30), rates=(here,))
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)

        async def heard() -> float | None:
            found = consumer._dispatcher.limiter.find("sms sms", EndpointKey("sms sms"))[1]
            return found.paced.elsewhere if found is not None and found.paced is not None else None

        assert await eventually(heard) == 6.0
