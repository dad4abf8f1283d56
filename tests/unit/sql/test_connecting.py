"""What asyncpg has no setting for."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sql.connecting import _SOCKET, Connection, _kept_alive


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
