"""A prefix before keys, command by command."""

from pathlib import Path
from typing import Any

import pytest

from tidings.redis.prefix import prefixed


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("GET", "a"), ("GET", "p:a")),
        ((b"get", b"a"), (b"get", b"p:a")),
        (("DEL", "a", b"b"), ("DEL", "p:a", b"p:b")),
        (("MGET", "a", "b"), ("MGET", "p:a", "p:b")),
        (("SET", "a", "value", "EX", 5), ("SET", "p:a", "value", "EX", 5)),
        (("HSET", "a", "field", "value"), ("HSET", "p:a", "field", "value")),
        (("ZADD", "a", 1.5, "member"), ("ZADD", "p:a", 1.5, "member")),
        (("ZRANGEBYSCORE", "a", float("-inf"), 5), ("ZRANGEBYSCORE", "p:a", float("-inf"), 5)),
        (("BZPOPMIN", "a", "b", 2), ("BZPOPMIN", "p:a", "p:b", 2)),
        (("EVALSHA", "sha", 2, "a", "b", "c"), ("EVALSHA", "sha", 2, "p:a", "p:b", "c")),
        (("EVALSHA", "sha", 0, "c"), ("EVALSHA", "sha", 0, "c")),
        (("MSETEX", 2, "a", b"1", "b", b"2", "EX", 5), ("MSETEX", 2, "p:a", b"1", "p:b", b"2", "EX", 5)),
        (("PUBLISH", "a", b"word"), ("PUBLISH", "p:a", b"word")),
        (("SUBSCRIBE", "a"), ("SUBSCRIBE", "p:a")),
        (("UNSUBSCRIBE",), ("UNSUBSCRIBE",)),
        (("WATCH", "a"), ("WATCH", "p:a")),
        (("MULTI",), ("MULTI",)),
        (("SCRIPT LOAD", "return 1"), ("SCRIPT LOAD", "return 1")),
        (("CLIENT", "SETINFO", "LIB-NAME", "any"), ("CLIENT", "SETINFO", "LIB-NAME", "any")),
    ],
)
def test_it_stands_before_keys_and_channels_only(command: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    assert prefixed(command, "p:") == expected


def test_a_command_without_a_rule_is_not_sent() -> None:
    with pytest.raises(NotImplementedError, match="XADD"):
        prefixed(("XADD", "a", "*", "b", "c"), "p:")


def test_all_that_our_user_may_do_has_a_rule() -> None:
    words = Path("compose/redis-users.acl").read_text().split()
    commands = [word[1:].partition("|")[0] for word in words if word.startswith("+")]
    assert len(commands) > 30
    for command in commands:
        prefixed((command, "1", "1", "1"), "p:")
