"""api/messages/intake.py, on a store that commits when the test says so."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from api.messages.intake import Intake
from sql.messages import IdempotencyKey
from tests.factories import new_message
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.message import NewMessage

NEVER = 3600.0
KEY = IdempotencyKey("key", b"fingerprint")


class Commit:
    """One insert that waits for the test."""

    def __init__(self, messages: Sequence[NewMessage], keys: Sequence[IdempotencyKey | None]) -> None:
        self.contents = [message.content for message in messages]
        self.keys = keys
        self._ids = {message.id for message in messages}
        self._answer: asyncio.Future[set[UUID]] = asyncio.get_running_loop().create_future()

    def succeed(self, *, keeping: bool = True) -> None:
        self._answer.set_result(self._ids if keeping else set())

    def fail(self, error: Exception) -> None:
        self._answer.set_exception(error)

    async def answer(self) -> set[UUID]:
        return await self._answer


class SlowStore:
    """Hands each insert to the test."""

    def __init__(self) -> None:
        self.commits: asyncio.Queue[Commit] = asyncio.Queue()

    async def insert(self, messages: Sequence[NewMessage], keys: Sequence[IdempotencyKey | None]) -> set[UUID]:
        commit = Commit(messages, keys)
        self.commits.put_nowait(commit)
        return await commit.answer()


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


def callers(intake: Intake, *contents: str) -> list[asyncio.Task[bool]]:
    return [asyncio.create_task(intake.keep(new_message(content=content))) for content in contents]


async def turn() -> None:
    """Lets everything run that is ready to."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_idle_intake_takes_what_came_together_at_once(store: SlowStore) -> None:
    kept = callers(Intake(store.insert, wait=NEVER), "a", "b", "c")
    commit = await store.commits.get()
    assert commit.contents == ["a", "b", "c"]
    commit.succeed()
    assert await asyncio.gather(*kept) == [True, True, True]


async def test_nobody_is_answered_before_the_commit(store: SlowStore) -> None:
    (kept,) = callers(Intake(store.insert), "a")
    commit = await store.commits.get()
    await turn()
    assert not kept.done()
    commit.succeed()
    assert await kept


async def test_what_comes_meanwhile_gathers_and_goes_together(store: SlowStore) -> None:
    intake = Intake(store.insert, wait=NEVER)
    first = callers(intake, "a")
    commit = await store.commits.get()
    later = callers(intake, "b", "c")
    await turn()
    assert store.commits.empty()
    commit.succeed()
    commit = await store.commits.get()
    assert commit.contents == ["b", "c"]
    commit.succeed()
    assert all(await asyncio.gather(*first, *later))


async def test_after_a_wait_they_go_beside_the_first(store: SlowStore) -> None:
    intake = Intake(store.insert, wait=0.001)
    callers_of_both = callers(intake, "a")
    first = await store.commits.get()
    callers_of_both += callers(intake, "b")
    second = await store.commits.get()
    assert second.contents == ["b"]
    second.succeed()
    first.succeed()
    assert all(await asyncio.gather(*callers_of_both))


async def test_a_full_group_goes_at_once_and_no_more_than_allowed_are_in_flight(store: SlowStore) -> None:
    intake = Intake(store.insert, most=2, wait=NEVER, concurrency=2)
    kept = callers(intake, *"abcdefg")
    first, second = await store.commits.get(), await store.commits.get()
    await turn()
    assert [first.contents, second.contents] == [["a", "b"], ["c", "d"]]
    assert store.commits.empty()
    first.succeed()
    third = await store.commits.get()
    assert third.contents == ["e", "f"]
    second.succeed()
    third.succeed()
    last = await store.commits.get()
    assert last.contents == ["g"]
    last.succeed()
    assert all(await asyncio.gather(*kept))


async def test_too_many_waiting_are_refused_and_the_others_kept(store: SlowStore) -> None:
    intake = Intake(store.insert, most=1, concurrency=1, backlog=2)
    kept = callers(intake, "a")
    commit = await store.commits.get()
    kept += callers(intake, "b", "c")
    await turn()
    with pytest.raises(StoreUnavailableError, match="too many"):
        await intake.keep(new_message())
    commit.succeed()
    for _ in "bc":
        (await store.commits.get()).succeed()
    assert all(await asyncio.gather(*kept))


async def test_a_caller_that_goes_away_takes_nobody_with_it(store: SlowStore) -> None:
    gone, stays = callers(Intake(store.insert), "a", "b")
    commit = await store.commits.get()
    gone.cancel()
    await turn()
    assert gone.cancelled()
    commit.succeed()
    assert await stays


async def test_a_known_key_is_told(store: SlowStore) -> None:
    kept = asyncio.create_task(Intake(store.insert).keep(new_message(), KEY))
    commit = await store.commits.get()
    assert commit.keys == [KEY]
    commit.succeed(keeping=False)
    assert not await kept


async def test_an_unreachable_store_is_told_to_each_of_the_group_alone(store: SlowStore) -> None:
    intake = Intake(store.insert)
    refused = callers(intake, "a", "b")
    (await store.commits.get()).fail(ConnectionRefusedError("somewhere secret"))
    errors = await asyncio.gather(*refused, return_exceptions=True)
    assert [type(error) for error in errors] == [StoreUnavailableError] * 2
    assert errors[0] is not errors[1]
    assert "secret" not in str(errors[0])
    (kept,) = callers(intake, "c")
    (await store.commits.get()).succeed()
    assert await kept


async def test_one_that_the_store_will_not_have_costs_only_itself(store: SlowStore) -> None:
    asked = callers(Intake(store.insert), *"abXde")
    # The whole, then its halves, then the halves of the bad half.
    for contents in ("abXde", "ab", "Xde", "X", "de"):
        commit = await store.commits.get()
        assert "".join(commit.contents) == contents
        if "X" in contents:
            commit.fail(ValueError("not this one"))
        else:
            commit.succeed()
    answered = asyncio.gather(*asked, return_exceptions=True)
    assert [str(outcome) for outcome in await answered] == ["True", "True", "not this one", "True", "True"]


async def test_closing_flushes_what_was_taken_and_takes_no_more(store: SlowStore) -> None:
    intake = Intake(store.insert, wait=NEVER, concurrency=1)
    kept = callers(intake, "a")
    first = await store.commits.get()
    kept += callers(intake, "b", "c")
    await turn()
    closing = asyncio.create_task(intake.close())
    await turn()
    with pytest.raises(StoreUnavailableError, match="stopping"):
        await intake.keep(new_message())
    assert not closing.done()
    first.succeed()
    last = await store.commits.get()
    assert last.contents == ["b", "c"]
    last.succeed()
    await closing
    assert all(await asyncio.gather(*kept))


async def test_an_idle_one_closes_at_once(store: SlowStore) -> None:
    await Intake(store.insert).close()
    assert store.commits.empty()
