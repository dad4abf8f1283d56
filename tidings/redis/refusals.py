"""What Redis says to a process that no waiting helps: somebody must mend a setting, there or here."""

from typing import Final

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from tidings.domain.errors import StoreRefusedError
from tidings.redis.connections import probe

_KINDS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (AuthenticationError, "", "the user or the password is wrong, or missing"),
    (NoPermissionError, "", "this user may not do what is needed: see compose/redis-users.acl"),
    (ResponseError, "DB index is out of range", "there is no database of this number"),
    (RedisError, "certificate verify failed", "the server's certificate is not trusted"),
    (RedisError, "WRONG_VERSION_NUMBER", "the server has no TLS, and `rediss://` wants it"),
    (RedisError, "packet length too long", "the server has no TLS, and `rediss://` wants it"),
    (RedisError, "record layer failure", "the server has no TLS, and `rediss://` wants it"),
)
"""By kind, and by a part of the text."""


def refusal(error: BaseException) -> str | None:
    """Why Redis refuses for good; None where waiting is right."""
    said = " ".join(str(error).split())
    for kind, part, why in _KINDS:
        if isinstance(error, kind) and part.lower() in said.lower():
            return f"{why} ({said})"
    return None


async def check(redis: Redis) -> None:
    """Raises StoreRefusedError where Redis refuses this process for good; one that is away is waited for later on."""
    try:
        await probe(redis)
    except (RedisError, OSError) as error:
        if (why := refusal(error)) is not None:
            raise StoreRefusedError(f"REDIS_URI: {why}") from error
