"""The last hour, put together from what is in Redis."""

import time

import msgspec
import pytest
from redis.asyncio import Redis

from api.overview.history import BUSIEST, OverviewHistory
from tests.eventually import eventually
from tidings.observability.reports import (
    BUCKET_SECONDS,
    HISTORY_BUCKETS,
    BucketReport,
    Depth,
    Histogram,
    Series,
    Tally,
    bucket_of,
)
from tidings.redis import keys


@pytest.fixture
async def present(redis: Redis) -> int:
    """The bucket of this moment, well away from its end."""

    async def look() -> int | None:
        seconds, _ = await redis.time()
        return bucket_of(seconds) if seconds % BUCKET_SECONDS < BUCKET_SECONDS - 1 else None

    found = await eventually(look)
    assert found is not None
    return found


async def tell(redis: Redis, bucket: int, consumer: str, *series: Series, in_flight: int = 0) -> None:
    async with redis.pipeline() as pipe:
        pipe.hset(
            keys.reports(bucket), mapping={consumer: msgspec.msgpack.encode(BucketReport(in_flight, list(series)))}
        )
        await pipe.execute()


def sms(sent: int, *, queue: str = "default", seconds: float = 0.01) -> Series:
    spread = Histogram()
    for _ in range(sent):
        spread.add(seconds)
    return Series("sms", queue, Tally(sent=sent, lateness=spread, duration=spread))


async def test_consumers_add_up(redis: Redis, present: int) -> None:
    await tell(redis, present - 2, "c1", sms(10, seconds=0.01), in_flight=3)
    await tell(redis, present - 2, "c2", sms(10, seconds=1.0), sms(5, queue="night"), in_flight=4)
    history = OverviewHistory(redis)
    await history.read()
    columns = history.columns(3)
    assert columns.at == [number * BUCKET_SECONDS for number in (present - 2, present - 1, present)]
    assert (columns.sent, columns.in_flight) == ([25, 0, 0], [7, 0, 0])
    assert columns.channels["sms"].sent == [25, 0, 0]
    assert (columns.queues["default"].sent, columns.queues["night"].sent) == ([20, 0, 0], [5, 0, 0])
    assert columns.lateness_p50[0] == pytest.approx(0.01, rel=0.5)
    assert columns.lateness_p99[0] == pytest.approx(1.0, rel=0.5)
    assert columns.lateness_p99[1] is None


async def test_what_is_told_later_replaces_what_was_read(redis: Redis, present: int) -> None:
    await tell(redis, present - 1, "c1", sms(1))
    history = OverviewHistory(redis)
    await history.read()
    await tell(redis, present - 1, "c1", sms(8))
    await tell(redis, present, "c1", sms(2))
    await history.read()
    assert history.columns(2).sent == [8, 2]


async def test_an_hour_and_no_more(redis: Redis, present: int) -> None:
    oldest = present - HISTORY_BUCKETS + 1
    for bucket in (oldest - 5, oldest, present - 100):
        await tell(redis, bucket, "c1", sms(1))
    history = OverviewHistory(redis)
    await history.read()
    whole = history.columns()
    # The hour may have moved on by a bucket.
    assert [at // BUCKET_SECONDS for at, sent in zip(whole.at, whole.sent, strict=True) if sent][-1] == present - 100
    assert sum(whole.sent) in {1, 2}
    assert min(history._buckets) >= oldest
    history._read_to = present - 50
    await tell(redis, present - 51, "c1", sms(4))
    await tell(redis, present - 60, "c1", sms(4))
    await history.read()
    assert sum(history.columns(100).sent) == 4, "only what can have changed since is read again"


async def test_now_is_the_last_seconds(redis: Redis, present: int) -> None:
    await tell(redis, present - 6, "c1", sms(1000))
    await tell(redis, present - 1, "c1", sms(50))
    await tell(redis, present, "c1", sms(10, queue="night"))
    history = OverviewHistory(redis)
    await history.read()
    flows = history.flows()
    assert 60 / 10 <= flows.total.sent <= 60 / 5
    assert 0 < flows.queues["night"].sent < flows.queues["default"].sent
    assert list(flows.channels) == ["sms"]


async def test_what_waited(redis: Redis, present: int) -> None:
    depths = {"default": Depth(3, 4, 5), "night": Depth(1, 0, 0)}
    await redis.set(keys.depths(present - 1), msgspec.msgpack.encode(depths))
    await redis.set(keys.depths(present), b"")
    history = OverviewHistory(redis)
    await history.read()
    columns = history.columns(3)
    assert (columns.waiting, columns.due) == ([None, 8, None], [None, 4, None])


async def test_only_the_busiest_have_columns_of_their_own(redis: Redis, present: int) -> None:
    many = [sms(number + 1, queue=f"q{number:02}") for number in range(BUSIEST + 5)]
    await tell(redis, present, "c1", *many)
    history = OverviewHistory(redis)
    await history.read()
    columns = history.columns(1)
    assert list(columns.queues) == [f"q{number:02}" for number in range(5, BUSIEST + 5)]
    assert columns.sent == [sum(range(1, BUSIEST + 6))]


async def test_a_clock_that_is_wrong_does_no_harm(redis: Redis, present: int, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(redis, present, "c1", sms(5))
    wrong = time.time() + 10_000
    monkeypatch.setattr(time, "time", lambda: wrong)
    history = OverviewHistory(redis)
    await history.read()
    assert sum(history.columns(2).sent) == 5
