"""A prefix before every key and channel, put there as a command is packed: scripts, pipelines and arq need no change.

On a Redis Cluster it is a hash tag, by which all keys of an installation are in one slot, and scripts and commands that
reach several keys are allowed. Without a prefix nothing is changed.
"""

from collections.abc import Sequence
from typing import Any, Final

_NONE: Final = frozenset(
    "AUTH CLIENT DISCARD EXEC HELLO INFO MULTI PING SCRIPT SELECT TIME UNWATCH".split()  # noqa: SIM905
)
_FIRST: Final = frozenset(
    "EXPIRE GET HDEL HGETALL HSET HVALS INCR INCRBY PEXPIRE PSETEX PTTL PUBLISH SET SETEX TYPE ZADD ZCARD ZMSCORE"  # noqa: SIM905
    " ZPOPMIN ZRANGE ZRANGEBYSCORE ZREM ZREVRANGE ZSCORE".split()
)
_ALL: Final = frozenset("DEL EXISTS MGET SUBSCRIBE UNSUBSCRIBE WATCH".split())  # noqa: SIM905


def prefixed(command: Sequence[Any], prefix: str) -> Sequence[Any]:
    """The command with the prefix before its keys. Raises NotImplementedError for one that has no rule here."""
    name, *arguments = command
    word = (name.decode() if isinstance(name, bytes) else str(name)).upper().partition(" ")[0]
    if word in _NONE:
        return command
    if word in _FIRST:
        where = range(min(1, len(arguments)))
    elif word in _ALL:
        where = range(len(arguments))
    elif word == "BZPOPMIN":
        where = range(len(arguments) - 1)
    elif word in {"EVAL", "EVALSHA"}:
        where = range(2, 2 + int(arguments[1]))
    elif word == "MSETEX":
        where = range(1, 1 + 2 * int(arguments[0]), 2)
    else:
        raise NotImplementedError(f"which arguments of {word} are keys?")
    for number in where:
        key = arguments[number]
        arguments[number] = prefix.encode() + key if isinstance(key, bytes) else f"{prefix}{key}"
    return name, *arguments
