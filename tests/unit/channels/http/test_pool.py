"""tidings/channels/http/pool.py"""

import asyncio

import pytest

from tests.unit.channels.http import wire
from tests.unit.channels.http.wire import Wire
from tidings.channels.http.connection import Connection
from tidings.channels.http.pool import AGE_SECONDS, REQUESTS_LIMIT, Pool
from tidings.channels.http.transport import IDLE_SECONDS, NAME_SECONDS


def connected(key: str = "a") -> tuple[Connection, Wire]:
    connection = Connection(asyncio.get_running_loop(), key)
    return connection, Wire(connection)


def test_the_one_that_served_last_is_taken_first() -> None:
    async def main() -> None:
        pool = Pool(per_key=3, total=3)
        first, second, other = (connected(key)[0] for key in "aab")
        for connection in (first, second, other):
            pool.put(connection)
        assert [pool.take(key) for key in "aaab"] == [second, first, None, other]
        assert not pool
        assert pool._idle == {}

    wire.run(main)


def test_it_is_bounded_for_each_destination_and_in_all() -> None:
    async def main() -> None:
        pool = Pool(per_key=2, total=3)
        mine = [connected("a") for _ in range(3)]
        others = [connected(key) for key in "bc"]
        for connection, _ in mine + others:
            pool.put(connection)
        # The third of one destination, and the one that was idle for longest when the room was used up.
        assert [transport.cut for _, transport in mine + others] == [True, False, True, False, False]
        assert len(pool) == 3

    wire.run(main)


def test_one_is_idle_for_so_long_and_no_longer() -> None:
    async def main() -> None:
        pool = Pool(per_key=9, total=9)
        (early, gone), (late, kept) = connected(), connected()
        pool.put(early)
        await asyncio.sleep(IDLE_SECONDS / 2)
        pool.put(late)
        await asyncio.sleep(IDLE_SECONDS / 2 + 0.1)
        assert (gone.cut, kept.cut, len(pool)) == (True, False, 1)
        await asyncio.sleep(IDLE_SECONDS)
        assert (kept.cut, len(pool)) == (True, 0)
        # It begins again after a rest.
        third, last = connected()
        pool.put(third)
        await asyncio.sleep(IDLE_SECONDS + 0.1)
        assert last.cut

    wire.run(main)


def test_one_that_is_old_or_has_served_enough_is_not_kept() -> None:
    async def main() -> None:
        pool = Pool(per_key=9, total=9)
        (old, first), (busy, second), (aging, third) = connected(), connected(), connected()
        busy.requests = REQUESTS_LIMIT
        pool.put(busy)
        await asyncio.sleep(AGE_SECONDS - 1)
        pool.put(aging)
        await asyncio.sleep(1)
        pool.put(old)
        assert [first.cut, second.cut, third.cut] == [True, True, False]
        assert pool.take("a") is None
        assert third.cut

    wire.run(main)


@pytest.mark.parametrize("end", ["bytes", "the end", "lost", "unread"])
def test_one_that_ends_is_not_taken(end: str) -> None:
    async def main() -> None:
        pool = Pool(per_key=1, total=1)
        connection, transport = connected()
        pool.put(connection)
        match end:
            case "bytes":
                connection.data_received(b"H")
            case "the end":
                connection.eof_received()
            case "lost":
                connection.connection_lost(None)
            case _:
                transport.unread = True
        # It holds no place of another one, either; what nobody has seen yet shows when it is taken.
        assert len(pool) == (end == "unread")
        assert pool.take("a") is None
        assert transport.cut or end == "lost"
        assert not pool

    wire.run(main)


def test_all_are_closed_at_the_end() -> None:
    async def main() -> None:
        pool = Pool(per_key=9, total=9)
        transports = []
        for key in "aab":
            connection, transport = connected(key)
            pool.put(connection)
            transports.append(transport)
        pool.close()
        assert all(transport.cut for transport in transports)
        assert not pool.shed()
        late, transport = connected("a")
        pool.put(late)
        assert transport.cut
        assert not pool

    wire.run(main)


def test_a_name_that_moves_is_followed_within_a_minute() -> None:
    # An old connection is used for that long, and the new one goes to addresses that were cached that long ago.
    assert AGE_SECONDS + NAME_SECONDS <= 60
