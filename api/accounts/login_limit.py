"""Limits how often a password may be tried, per minute: from one client address, and for one name from one network.

The client's address is counted first, and who is over that limit costs nothing more. For a name only failures count,
those of each network for themselves, so that nobody is locked out from elsewhere. Who logged in here before is counted
apart from strangers: a browser by its device cookie (`api.accounts.devices`), a program by its address.

State: counters in Redis, gone a minute after the first login of theirs, and a mark for each name and address that
logged in, for thirty days. The name is in them as a hash only. While Redis is away there is no limit, and the log says
so: better than that no login works. What a password costs to check (`api.accounts.passwords`) is then the limit.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any, Final, Literal

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.accounts.errors import TooManyLoginsError
from tidings.domain.errors import describe
from tidings.redis import keys

log = structlog.get_logger(__name__)

WINDOW_SECONDS: Final = 60
KNOWN_SECONDS: Final = 30 * 86_400
PATIENCE_SECONDS: Final = 1.0
IPV6_BITS: Final = 64
"""Of an IPv6 address; the rest is one subscriber's to choose."""
NETWORK_BITS: Final = {4: 24, 6: 48}
"""Of an address: whose failures are counted together."""

_COUNT: Final = """
-- Counts in KEYS[1], or where KEYS[3] exists in KEYS[2]; for ARGV[1] milliseconds, up to ARGV[2]. One over the limit is
-- not counted. Returns for how many milliseconds the counter that is over its limit lasts, or 0, and which it was.
local which = 1
if KEYS[3] and redis.call('EXISTS', KEYS[3]) == 1 then
    which = 2
end
local counter = KEYS[which]
if tonumber(redis.call('GET', counter) or 0) >= tonumber(ARGV[2]) then
    return {math.max(redis.call('PTTL', counter), 1), which}
end
if redis.call('INCR', counter) == 1 then
    redis.call('PEXPIRE', counter, ARGV[1])
end
return {0, which}
"""

_GIVE_BACK: Final = """
-- Takes one out of a counter, if it is there still, and remembers who logged in where that is said.
if tonumber(redis.call('GET', KEYS[1]) or 0) > 0 then
    redis.call('DECR', KEYS[1])
end
if KEYS[2] then
    redis.call('SET', KEYS[2], 1, 'EX', ARGV[1])
end
return 0
"""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A login that is counted as a failure until it is none."""

    counter: str | None = None
    """None: it was not counted."""
    known: bool = False
    """Whether this client logged in under this name before."""
    mark: str | None = None
    """What remembers the client."""


class LoginLimit:
    """Counts logins. A limit of 0 is none."""

    def __init__(self, redis: Redis, *, per_email: int, per_address: int) -> None:
        self._redis = redis
        self._count_script = redis.register_script(_COUNT)
        self._give_back_script = redis.register_script(_GIVE_BACK)
        self._per_email = per_email
        self._per_address = per_address

    async def count_registration(self, address: str | None) -> None:
        """Counts one account. Raises TooManyLoginsError."""
        if self._per_address and address:
            await self._count([keys.logins("registration", _one_client(address))], self._per_address)

    async def count_address(self, address: str | None, *, device: str | None = None) -> None:
        """Counts one login from an address, or from a device that was given a cookie. Raises TooManyLoginsError."""
        if self._per_address and (device or address):
            whose = f"device:{device}" if device else _one_client(address or "")
            await self._count([keys.logins("address", whose)], self._per_address)

    async def check_address(
        self,
        address: str | None,
        *,
        kind: Literal["address", "registration"] = "address",
        device: str | None = None,
    ) -> None:
        """Raises TooManyLoginsError where a client, or a device with a cookie, is at its limit; counts nothing.

        For before the body is read, so that it costs nothing more.
        """
        if not self._per_address or not (address or device):
            return
        counter = keys.logins(kind, f"device:{device}" if device else _one_client(address or ""))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS / 4):
                async with self._redis.pipeline(transaction=False) as asked:
                    asked.get(counter)
                    asked.pttl(counter)
                    count, wait = await asked.execute()
        except (RedisError, OSError):
            return  # counting comes next, and says so
        if count is not None and int(count) >= self._per_address:
            raise TooManyLoginsError(math.ceil(max(int(wait), 1) / 1000))

    async def count_name(self, name: str, address: str | None, *, device: str | None = None) -> Attempt:
        """Counts one login for a name, as a failure until `give_back`. Raises TooManyLoginsError."""
        digest = digest_of(name)
        knows = device == digest
        client, network = _one_client(address or ""), _network(address or "")
        mark = keys.logins("known", f"{digest}:{client}")
        if not self._per_email:
            return Attempt(known=knows)
        counters = [
            keys.logins("failed", f"{digest}:{'device' if knows else network}"),
            keys.logins("failed", f"{digest}:{'device' if knows else client}"),
        ]
        which = await self._count([*counters, mark], self._per_email)
        if which is None:
            return Attempt(known=knows)
        return Attempt(counter=counters[which - 1], known=knows or which == 2, mark=mark)  # noqa: PLR2004

    async def give_back(self, attempt: Attempt, *, succeeded: bool) -> None:
        """It was no failure; one that succeeded is remembered."""
        if attempt.counter is None or attempt.mark is None:
            return
        counters = [attempt.counter, attempt.mark] if succeeded else [attempt.counter]
        await self._run(lambda: self._give_back_script(counters, [KNOWN_SECONDS]))

    async def _count(self, counters: Sequence[str], limit: int) -> int | None:
        """Returns which counter it was; None while Redis is away."""
        answer = await self._run(lambda: self._count_script(counters, [WINDOW_SECONDS * 1000, limit]))
        if answer is None:
            return None
        wait, which = (int(number) for number in answer)
        if wait:
            raise TooManyLoginsError(math.ceil(wait / 1000))
        return which

    async def _run(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await ask()
        except (RedisError, OSError) as error:
            log.warning("logins are not limited while Redis is away", error=describe(error))
            return None


def digest_of(name: str) -> str:
    """What stands for a name in Redis and in cookies."""
    return sha256(name.strip().lower().encode("utf-8", "replace")).hexdigest()


def _one_client(address: str) -> str:
    """The address, or of an IPv6 address the network that belongs to one client."""
    return _part(address, {4: 32, 6: IPV6_BITS})


def _network(address: str) -> str:
    return _part(address, NETWORK_BITS)


def _part(address: str, bits: Mapping[int, int]) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(ip_network((parsed, bits[parsed.version]), strict=False).network_address)
