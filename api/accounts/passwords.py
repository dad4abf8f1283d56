"""Passwords: argon2id (RFC 9106), in a few threads of its own.

State: the threads, each of which takes `memory_cost` (64 MiB) while it works, and the calls that wait for one, at
most `BACKLOG`. A flood of logins therefore costs other requests nothing but one or two cores, and memory stays bounded.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final, TypeVar

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from api.accounts.errors import BusyError

THREADS: Final = 2
BACKLOG: Final = 64

T = TypeVar("T")


class Passwords:
    """Hashes passwords and verifies them."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY, *, backlog: int = BACKLOG) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._unmatched_hash = _unmatched(parameters)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._backlog = BoundedSemaphore(backlog)

    async def hash(self, password: str) -> str:
        """The hash, with its salt and parameters, as it is kept. Raises BusyError."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether the password is right. With None, for an unknown user, it takes as long and is never right.

        Raises BusyError.
        """
        return await self._in_thread(lambda: self._matches(password, kept or self._unmatched_hash))

    def is_outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Lets the threads end, without waiting for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if not self._backlog.acquire(blocking=False):
            raise BusyError
        future = self._threads.submit(work)
        # When the work has ended, not the wait for it: a client that goes away leaves the thread at work.
        future.add_done_callback(lambda _: self._backlog.release())
        return await asyncio.wrap_future(future)


def _unmatched(parameters: Parameters) -> str:
    """A hash that no password matches; verifying against it costs as much as any."""
    salt, digest = (
        b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
        for length in (parameters.salt_len, parameters.hash_len)
    )
    costs = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2id$v={parameters.version}${costs}${salt}${digest}"
