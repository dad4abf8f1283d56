"""Limits how often a password may be tried, per minute: for one e-mail address, and from one client address.

The latter limits new accounts too.

State: two counters in Redis for each login, gone a minute after the first of their logins. The e-mail address is in
their names as a hash only. While Redis is away there is no limit, and the log says so: better than that no login works.
What a password costs to check (`api.accounts.passwords`) is then the limit.
"""

import asyncio
import math
from collections.abc import Mapping
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.accounts.errors import TooManyLoginsError
from tidings.domain.errors import describe
from tidings.redis import keys

log = structlog.get_logger(__name__)

WINDOW_SECONDS: Final = 60
PATIENCE_SECONDS: Final = 1.0
IPV6_BITS: Final = 64
"""Of an IPv6 address; the rest is one subscriber's to choose."""

_COUNT: Final = """
-- Counts a login in each counter. Returns for how many milliseconds the one that is over its limit lasts, or 0.
local wait = 0
for number, counter in ipairs(KEYS) do
    if redis.call('INCR', counter) == 1 then
        redis.call('PEXPIRE', counter, ARGV[1])
    end
    if tonumber(redis.call('GET', counter)) > tonumber(ARGV[number + 1]) then
        wait = math.max(wait, redis.call('PTTL', counter), 1)
    end
end
return wait
"""


class LoginLimit:
    """Counts logins. A limit of 0 is none."""

    def __init__(self, redis: Redis, *, per_email: int, per_address: int) -> None:
        self._redis = redis
        self._script = redis.register_script(_COUNT)
        self._per_email = per_email
        self._per_address = per_address

    async def count_registration(self, address: str | None) -> None:
        """Counts one account. Raises TooManyLoginsError."""
        if self._per_address and address:
            await self._count_in({keys.logins("registration", _one_client(address)): self._per_address})

    async def check_address(self, address: str | None, *, kind: Literal["address", "registration"] = "address") -> None:
        """Raises TooManyLoginsError where a client is at its limit already; counts nothing.

        For before the body is read, so that it costs nothing more.
        """
        if not self._per_address or not address:
            return
        counter = keys.logins(kind, _one_client(address))
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

    async def count(self, *, email: str, address: str | None) -> None:
        """Counts one attempt, for unknown e-mail addresses too. Raises TooManyLoginsError."""
        limits: dict[str, int] = {}
        if self._per_email:
            digest = sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()
            limits[keys.logins("email", digest)] = self._per_email
        if self._per_address and address:
            limits[keys.logins("address", _one_client(address))] = self._per_address
        if limits:
            await self._count_in(limits)

    async def _count_in(self, limits: Mapping[str, int]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                wait = await self._script(list(limits), [WINDOW_SECONDS * 1000, *limits.values()])
        except (RedisError, OSError) as error:
            log.warning("logins are not limited while Redis is away", error=describe(error))
            return
        if wait:
            raise TooManyLoginsError(math.ceil(int(wait) / 1000))


def _one_client(address: str) -> str:
    """The address, or of an IPv6 address the network that belongs to one client."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> (128 - IPV6_BITS) << (128 - IPV6_BITS)))
    return str(parsed)
