"""tidings/channels/http/resolving.py: how names are looked up and kept"""

import asyncio
import socket
from collections.abc import Sequence

import pytest
from aiohappyeyeballs import AddrInfoType

from tests.unit.channels.http import wire
from tidings.channels.http import resolving
from tidings.channels.http.resolving import Resolver, literal, system_lookup

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


class Names:
    """Counts, and takes a second."""

    def __init__(self, error: OSError | None = None) -> None:
        self.asked: list[str] = []
        self.error = error

    async def __call__(self, host: str, port: int) -> Sequence[AddrInfoType]:
        self.asked.append(host)
        await asyncio.sleep(1)
        if self.error is not None:
            raise self.error
        return FOUND


def test_who_asks_at_the_same_time_shares_a_look_up_and_its_answer_is_kept() -> None:
    async def main() -> None:
        names = Names()
        resolver = Resolver(None, seconds=10, lookup=names)
        cancelled = asyncio.create_task(resolver.addresses("a", 80))
        others = [asyncio.create_task(resolver.addresses("a", 80)) for _ in range(3)]
        await asyncio.sleep(0.5)
        cancelled.cancel()
        assert await asyncio.gather(*others) == [FOUND] * 3
        await asyncio.sleep(8)
        assert await resolver.addresses("a", 80) == FOUND
        assert names.asked == ["a"]
        await asyncio.sleep(2)
        await resolver.addresses("a", 80)
        assert names.asked == ["a"] * 2
        resolver.forget("a", 80)
        await resolver.addresses("a", 80)
        assert names.asked == ["a"] * 3

    wire.run(main)


def test_a_failure_is_not_kept() -> None:
    async def main() -> None:
        names = Names(socket.gaierror())
        resolver = Resolver(None, seconds=10, lookup=names)
        for count in (1, 2):
            with pytest.raises(socket.gaierror):
                await resolver.addresses("a", 80)
            assert len(names.asked) == count
        assert not resolver._names

    wire.run(main)


def test_a_failure_that_nobody_waits_for_any_more_is_silent() -> None:
    async def main() -> None:
        resolver = Resolver(None, seconds=10, lookup=Names(socket.gaierror()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await resolver.addresses("a", 80)
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told_of: told.append(told_of))
        await asyncio.sleep(2)
        assert not resolver._names
        assert not told

    wire.run(main)


def test_a_look_up_that_hangs_is_not_begun_again() -> None:
    async def main() -> None:
        asked = 0

        async def hang(host: str, port: int) -> Sequence[AddrInfoType]:
            nonlocal asked
            asked += 1
            await asyncio.sleep(100)
            return FOUND

        resolver = Resolver(None, seconds=1, lookup=hang)
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await resolver.addresses("a", 80)
            resolver.forget("a", 80)
        assert asked == 1

    wire.run(main)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "NAMES_KEPT", 3)

    async def main() -> None:
        names = Names()
        resolver = Resolver(None, seconds=100, lookup=names)
        for name in "abcd":
            await resolver.addresses(name, 80)
        assert [name for name, _ in resolver._names] == ["b", "c", "d"]

    wire.run(main)


def test_literals() -> None:
    assert literal("127.0.0.1", 80) == [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))]
    [(family, *_, address)] = literal("::1", 80) or []
    assert (family, address) == (socket.AF_INET6, ("::1", 80, 0, 0))
    # For the system: names, zones, and what only the C library takes for an address.
    assert [literal(host, 80) for host in ("a", "fe80::1%eth0", "127.1", "0x7f000001", "")] == [None] * 5


async def test_the_system_is_asked_in_threads_of_its_own() -> None:
    assert ("127.0.0.1", 80) in [address[:2] for *_, address in await system_lookup("localhost", 80)]
    with pytest.raises(UnicodeError):
        await system_lookup("a..b", 80)
