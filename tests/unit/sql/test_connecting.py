"""What asyncpg has no setting for."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sql.connecting import _SOCKET, Connection, _kept_alive, single_hosts


async def options_of_a_tcp_connection() -> dict[str, int]:
    """The options of a connection, as they are after `_kept_alive`."""

    with socket.create_server(("127.0.0.1", 0)) as server:
        _, writer = await asyncio.open_connection(*server.getsockname())
        try:
            _kept_alive(cast("Connection", SimpleNamespace(_transport=writer.transport)))
            with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as own:
                found = {name: own.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in _SOCKET}
                return {**found, "SO_KEEPALIVE": own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)}
        finally:
            writer.close()
            await writer.wait_closed()


def _loops() -> list[Callable[[], asyncio.AbstractEventLoop]]:
    if sys.platform == "win32":
        return [asyncio.new_event_loop]
    import uvloop

    return [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has all of these options")
@pytest.mark.parametrize("new_loop", _loops())
def test_a_tcp_connection_is_kept_alive(new_loop: Callable[[], Any]) -> None:
    loop = new_loop()
    try:
        options = loop.run_until_complete(options_of_a_tcp_connection())
    finally:
        loop.close()
    assert options == {**_SOCKET, "SO_KEEPALIVE": 1}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgres://u:p@a,b:5433/d?x=1", ["postgres://u:p@a/d?x=1", "postgres://u:p@b:5433/d?x=1"]),
        ("postgres://u@[::1]:1,[::2]:2/d", ["postgres://u@[::1]:1/d", "postgres://u@[::2]:2/d"]),
        ("postgres://u@a,[::1]:2/d", ["postgres://u@a/d", "postgres://u@[::1]:2/d"]),
        ("postgres://u@a,b/d?port=1,2", ["postgres://u@a/d?port=1", "postgres://u@b/d?port=2"]),
        ("postgres://u@/d?host=a,b&port=1", ["postgres://u@/d?host=a&port=1", "postgres://u@/d?host=b&port=1"]),
        ("postgres://u@a/d", ["postgres://u@a/d"]),
    ],
)
def test_an_address_has_one_for_each_host(uri: str, expected: list[str]) -> None:
    assert list(single_hosts(uri)) == expected
