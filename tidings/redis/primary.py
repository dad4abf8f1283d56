"""Where the primary is, for an address that does not say so: by Redis Sentinel, or in a Redis Cluster.

Asked before each connection. Sentinels are asked again now and then too: one that was cut off from them keeps its old
primary, which goes on taking what nobody else sees.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from redis.asyncio.connection import Connection
from redis.exceptions import (
    ConnectionError,  # noqa: A004  (redis-py's own, which is no OSError)
    RedisError,
    ResponseError,
)

from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe
from tidings.redis import keys
from tidings.redis.prefix import prefixed

ASK_SECONDS: Final = 1.0
"""The longest wait for one of those that are asked, and for its answer."""
_MOVED: Final = re.compile(r"MOVED \d+ (?P<host>.*):(?P<port>\d+)")


class Address(NamedTuple):
    """Of a server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Primary(Protocol):
    """Who knows where the primary is."""

    may_move_unseen: bool
    """Whether a primary may be replaced without its connections noticing."""

    async def find(self) -> Address:
        """Raises redis's ConnectionError where nobody knows."""


class Answer(NamedTuple):
    """A sentinel's."""

    epoch: int
    """Counts the failovers: the higher one is newer."""
    address: Address


class Sentinels:
    """Redis Sentinel: the newest answer of a majority counts, or of those that answer at all."""

    may_move_unseen = True

    def __init__(self, service: str, addresses: Sequence[Address], options: Mapping[str, Any]) -> None:
        self.service = service
        self.addresses = tuple(addresses)
        self._options = options

    async def find(self) -> Address:
        """The address that they agreed upon last."""
        asked = [asyncio.create_task(self._ask(address)) for address in self.addresses]
        answers: list[Answer] = []
        refusals = []
        try:
            for each in asyncio.as_completed(asked):
                try:
                    answers.append(await each)
                except (RedisError, OSError) as error:
                    refusals.append(describe(error))
                if len(answers) > len(asked) // 2:
                    break
        finally:
            await _forget(asked)
        if not answers:
            raise ConnectionError(f"no sentinel knows {self.service}: {'; '.join(sorted(set(refusals)))}")
        return max(answers).address

    async def ask_each(self) -> list[tuple[Address, Address | str]]:
        """What each of them says, or why it says nothing."""
        said = await asyncio.gather(*map(self._ask, self.addresses), return_exceptions=True)
        found: list[tuple[Address, Address | str]] = []
        for address, answer in zip(self.addresses, said, strict=True):
            if isinstance(answer, Answer):
                found.append((address, answer.address))
            elif isinstance(answer, (RedisError, OSError)):
                found.append((address, describe(answer)))
            else:
                raise answer
        return found

    async def _ask(self, address: Address) -> Answer:
        said = await _answer(address, self._options, ("SENTINEL", "MASTER", self.service))
        state = dict(zip(said[::2], said[1::2], strict=True))
        return Answer(int(state[b"config-epoch"]), Address(state[b"ip"].decode(), int(state[b"port"])))


class Cluster:
    """A Redis Cluster: the primary of the slot of all keys with the prefix. It says itself when it is none any more."""

    may_move_unseen = False

    def __init__(self, prefix: str, addresses: Sequence[Address], options: Mapping[str, Any]) -> None:
        self.addresses = tuple(addresses)
        self._options = options
        self._probe = prefixed(("EXISTS", keys.PROBE), prefix)

    async def find(self) -> Address:
        """The first answer of a node counts."""
        asked = [asyncio.create_task(self._ask(address)) for address in self.addresses]
        refusals = []
        try:
            for each in asyncio.as_completed(asked):
                try:
                    return await each
                except (RedisError, OSError) as error:
                    refusals.append(describe(error))
        finally:
            await _forget(asked)
        raise ConnectionError(f"no node of the cluster knows: {'; '.join(sorted(set(refusals)))}")

    async def _ask(self, address: Address) -> Address:
        try:
            await _answer(address, self._options, self._probe)
        except ResponseError as error:
            moved = _MOVED.match(str(error))
            if moved is None:
                raise
            # Without a host: the one that was asked, at another port.
            return Address(moved["host"].strip("[]") or address.host, int(moved["port"]))
        return address


async def _forget(asked: Sequence["asyncio.Task[Any]"]) -> None:
    await cancel_and_wait(*asked)
    for task in asked:
        if not task.cancelled():
            # Retrieved, so that it is not reported as never retrieved.
            task.exception()


async def _answer(address: Address, options: Mapping[str, Any], command: Sequence[Any]) -> Any:
    """To one command, on a connection of its own: nothing stays open, whenever it is cancelled."""
    settable = {name: value for name, value in options.items() if name not in {"connection_class", "max_connections"}}
    limits = {"socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS}
    kind: type[Connection] = options.get("connection_class", Connection)
    connection = kind(**{**settable, **limits, **address._asdict()})
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command(*command)
        return await connection.read_response()
    finally:
        await connection.disconnect(nowait=True)
