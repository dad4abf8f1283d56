"""consumers/dedup.py, on a Redis that knows MSETEX, one that does not, and one that is out of order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from consumers.dedup import SET_EACH, DedupRecords, ProviderRecord, Record
from tidings.domain.ids import new_id
from tidings.redis import keys

LIFE = 300
SENT_AT = datetime(2030, 1, 1, tzinfo=UTC)
UNKNOWN = ResponseError("unknown command `MSETEX`, with args beginning with: ")


class FakeRedis:
    """Remembers the commands that it was given."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.commands: list[tuple[Any, ...]] = []

    async def execute_command(self, *command: Any) -> int:
        self.commands.append(command)
        if self.refusal is not None:
            raise self.refusal
        return 1

    def register_script(self, text: str) -> Callable[..., Awaitable[None]]:
        assert text == SET_EACH

        async def run(*, keys: list[str], args: list[Any]) -> None:
            life, *values = args
            self.commands += [("SET", key, value, "EX", life) for key, value in zip(keys, values, strict=True)]

        return run

    @property
    def names(self) -> list[str]:
        return [command[0] for command in self.commands]


async def write(records: DedupRecords, *groups: list[Record]) -> None:
    """Hands the records over, group by group, and waits for each to be written."""
    running = asyncio.create_task(records.run())
    for group in groups:
        for record in group:
            records.put(new_id(), record, then=lambda: None)
        await records.written()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def dedup_records(redis: FakeRedis, *, by_provider: bool = False) -> DedupRecords:
    return DedupRecords(cast("Redis", redis), life_seconds=LIFE, by_provider=by_provider)


async def test_one_command_writes_both_records_of_a_whole_group() -> None:
    redis = FakeRedis()
    await write(dedup_records(redis), [Record(SENT_AT, str(number)) for number in range(100)])
    [(name, count, *pairs, ex, life)] = redis.commands
    assert (name, count, ex, life) == ("MSETEX", 200, "EX", LIFE)
    assert len(pairs) == 400
    written = dict(zip(pairs[::2], pairs[1::2], strict=True))
    named = msgspec.json.decode(written[keys.provider_record("7")], type=ProviderRecord)
    assert msgspec.json.decode(written[keys.dedup_record(named.id)], type=Record) == Record(SENT_AT, "7")


async def test_without_an_id_of_the_provider_there_is_one_record() -> None:
    redis = FakeRedis()
    await write(dedup_records(redis, by_provider=True), [Record(SENT_AT)])
    assert redis.commands[0][:2] == ("MSETEX", 1)


@pytest.mark.parametrize("refusal", [UNKNOWN, NoPermissionError("no permissions to run the 'msetex' command")])
@pytest.mark.parametrize(("by_provider", "expected"), [(False, 1), (True, 2)])
async def test_an_older_redis_is_asked_once_and_then_given_single_keys(
    refusal: Exception, by_provider: bool, expected: int
) -> None:
    redis = FakeRedis(refusal)
    await write(dedup_records(redis, by_provider=by_provider), [Record(SENT_AT, "a")], [Record(SENT_AT, "b")])
    assert redis.names == ["MSETEX"] + ["SET"] * expected * 2
    assert {command[-1] for command in redis.commands} == {LIFE}


async def test_a_redis_without_memory_is_asked_again_next_time() -> None:
    redis = FakeRedis(OutOfMemoryError("command not allowed when used memory > 'maxmemory'"))
    await write(dedup_records(redis), [Record(SENT_AT, "a")], [Record(SENT_AT, "b")])
    assert redis.names == ["MSETEX", "MSETEX"]


def test_the_two_kinds_of_keys_never_meet() -> None:
    message_id = new_id()
    assert keys.provider_record(str(message_id)) != keys.dedup_record(message_id)
