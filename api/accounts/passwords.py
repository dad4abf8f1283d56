"""Passwords: argon2id (RFC 9106), in a few threads of its own.

State: the threads, each of which takes `memory_cost` (64 MiB) while it works, and the calls that wait for one: those of
clients who logged in before, and behind them those of strangers, at most `BACKLOG` each. A flood of logins therefore
costs other requests little: its threads give way to the event loop, memory stays bounded, and who was here before is
served all the same, by the one thread that takes no strangers.
"""

import asyncio
import os
import secrets
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import get_native_id
from typing import Any, Final, TypeVar

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from api.accounts.errors import BusyError

THREADS: Final = 2
BACKLOG: Final = 64
NICE: Final = 10
"""The priority of the threads; that of the event loop is 0 as a rule."""

T = TypeVar("T")
_Waiting = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Passwords:
    """Hashes passwords and verifies them."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY, *, backlog: int = BACKLOG) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._unmatched_hash = _unmatched(parameters)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2", initializer=_give_way)
        self._backlog = backlog
        self._known: deque[_Waiting] = deque()
        self._strangers: deque[_Waiting] = deque()
        self._working = 0

    async def hash(self, password: str, *, known: bool = False) -> str:
        """The hash, with its salt and parameters, as it is kept. Raises BusyError.

        `known`: somebody who was here before, and goes before strangers.
        """
        return await self._in_thread(lambda: self._hasher.hash(password), known=known)

    async def verify(self, password: str, kept: str | None, *, known: bool = False) -> bool:
        """Whether the password is right. With None, for an unknown user, it takes as long and is never right.

        Raises BusyError.
        """
        return await self._in_thread(lambda: self._matches(password, kept or self._unmatched_hash), known=known)

    def is_outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Lets the threads end, without waiting for them."""
        for line in (self._known, self._strangers):
            while line:
                _, answer = line.popleft()
                answer.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T], *, known: bool) -> T:
        line = self._known if known else self._strangers
        if len(line) + self._working >= self._backlog:
            raise BusyError
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        line.append((work, answer))
        self._start()
        return await answer

    def _start(self) -> None:
        """Gives each free thread the next one: of those who are known, or else of the others."""
        while line := self._next():
            work, answer = line.popleft()
            if answer.done():
                continue
            self._working += 1
            task = asyncio.wrap_future(self._threads.submit(work))
            task.add_done_callback(partial(self._ended, answer))

    def _next(self) -> "deque[_Waiting] | None":
        """Whose turn it is. One thread is never at work for strangers, so that who is known need not wait for them."""
        if self._known and self._working < THREADS:
            return self._known
        return self._strangers if self._strangers and self._working < THREADS - 1 else None

    def _ended(self, answer: "asyncio.Future[Any]", done: "asyncio.Future[Any]") -> None:
        # When the work has ended, not the wait for it: a client that goes away leaves the thread at work.
        self._working -= 1
        if done.cancelled():
            answer.cancel()
        elif (error := done.exception()) is not None:
            if not answer.done():
                answer.set_exception(error)
        elif not answer.done():
            answer.set_result(done.result())
        self._start()


def _give_way() -> None:
    """Lets the event loop go first. argon2 makes threads of its own, which inherit that."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)


def _unmatched(parameters: Parameters) -> str:
    """A hash that no password matches; verifying against it costs as much as any."""
    salt, digest = (
        b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
        for length in (parameters.salt_len, parameters.hash_len)
    )
    costs = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2id$v={parameters.version}${costs}${salt}${digest}"
