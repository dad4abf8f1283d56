"""api/accounts/passwords.py"""

import asyncio
from collections.abc import Iterator
from threading import Event

import argon2
import pytest
from argon2.profiles import CHEAPEST, RFC_9106_LOW_MEMORY

from api.accounts.errors import BusyError
from api.accounts.passwords import Passwords, _unmatched


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(CHEAPEST)
    yield made
    made.close()


async def test_a_password_is_verified_against_its_hash(passwords: Passwords) -> None:
    kept = await passwords.hash("correct horse")
    assert kept.startswith("$argon2id$")
    assert "correct horse" not in kept
    assert await passwords.verify("correct horse", kept)
    assert not await passwords.verify("correct horsf", kept)
    assert not await passwords.verify("", kept)


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("same") != await passwords.hash("same")


@pytest.mark.parametrize("kept", ["", "argon2", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA", "plain"])
async def test_what_is_no_hash_matches_nothing(passwords: Passwords, kept: str) -> None:
    assert not await passwords.verify("plain", kept)


async def test_nobodys_hash_costs_what_any_costs(passwords: Passwords) -> None:
    verified: list[argon2.Parameters] = []

    def verify(kept: str, _password: str) -> bool:
        verified.append(argon2.extract_parameters(kept))
        raise argon2.exceptions.VerifyMismatchError

    passwords._hasher = _Hasher(verify)  # type: ignore[assignment]
    for kept in (None, _unmatched(CHEAPEST)):
        assert not await passwords.verify("anything", kept)
    assert verified == [CHEAPEST, CHEAPEST]


def test_the_parameters_are_those_of_the_rfc() -> None:
    made = Passwords()
    assert argon2.extract_parameters(_unmatched(RFC_9106_LOW_MEMORY)) == RFC_9106_LOW_MEMORY
    assert made._hasher.memory_cost == 64 * 1024
    made.close()


async def test_a_hash_with_other_parameters_is_outdated(passwords: Passwords) -> None:
    kept = await passwords.hash("password")
    assert not passwords.is_outdated(kept)
    others = Passwords(RFC_9106_LOW_MEMORY)
    assert others.is_outdated(kept)
    others.close()


async def test_the_loop_goes_on_and_a_flood_is_turned_away() -> None:
    passwords = Passwords(CHEAPEST, backlog=4)
    held = Event()

    def verify(_kept: str, _password: str) -> bool:
        return held.wait(10)

    passwords._hasher = _Hasher(verify)  # type: ignore[assignment]
    waiting = [asyncio.create_task(passwords.verify("password", "hash")) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError) as refused:
        await passwords.verify("password", "hash")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    # A client that went away still holds its place: its thread works on.
    waiting[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await passwords.verify("password", "hash")
    held.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 3
    assert await passwords.verify("password", "hash")
    passwords.close()


class _Hasher:
    """argon2's, with a `verify` of the test's own."""

    def __init__(self, verify: object) -> None:
        self.verify = verify
