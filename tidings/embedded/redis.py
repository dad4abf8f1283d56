"""The embedded Redis: on a Unix socket in a private directory, nothing on disk.

Process and files in play: `valkey-server` (or a `redis-server`) on `run/redis/redis.sock` with `run/redis/redis.pid`,
both in a directory of mode 0700. What it holds is disposable by design, so it saves nothing, and a restart begins
empty. It never evicts a key: better an error that is seen than a delivery record that vanished.

After a crash: a server that lived on is found through its pid file, stopped, and started anew.
"""

import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis.asyncio
from redis.exceptions import RedisError

from tidings.domain.errors import DataDirectoryError
from tidings.embedded import orphan
from tidings.embedded.data_directory import DataDirectory, own_private_directory
from tidings.embedded.installation import redis_program
from tidings.embedded.server import Server

STOP_SIGNALS: Final = ((signal.SIGTERM, 10.0),)
PROGRAMS: Final = ("valkey-server", "redis-server")


def redis_uri(directory: DataDirectory) -> str:
    """The address of the embedded Redis, running or not."""
    return f"unix://{quote(str(_socket(directory)))}"


class EmbeddedRedis:
    """The Redis of a claimed data directory."""

    name: Final = "Redis"

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._server = Server(self.name, log=directory.logs / "redis.log", stop_signals=STOP_SIGNALS)

    async def start(self) -> None:
        """Returns when it answers. Raises DataDirectoryError or EmbeddedStoreError."""
        home = self._directory.socket_directory("redis")
        own_private_directory(home)
        pid_file = home / "redis.pid"
        socket = _socket(self._directory)
        left_over = orphan.find(pid_file, programs=PROGRAMS, path=socket)
        if left_over and not await orphan.stop(left_over, (*STOP_SIGNALS, (signal.SIGKILL, 10.0))):
            raise DataDirectoryError(f"{home}: Redis (process {left_over.pid}) runs there and does not stop")
        options: dict[str, str | Path] = {
            "port": "0",
            "unixsocket": socket,
            "unixsocketperm": "700",
            "dir": home,
            "pidfile": pid_file,
            "daemonize": "no",
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        command: list[str | Path] = [redis_program()]
        for name, value in options.items():
            command += [f"--{name}", value]
        await self._server.run(command, directory=home)
        await self._server.answers(self._pings)

    async def ended(self) -> int:
        """Waits for the end of the server; returns its exit code."""
        return await self._server.ended()

    async def stop(self) -> None:
        """Stops it; returns when it is gone."""
        await self._server.stop()

    async def _pings(self) -> bool:
        client = redis.asyncio.Redis(unix_socket_path=str(_socket(self._directory)), socket_timeout=5)
        try:
            return bool(await client.ping())
        except (OSError, RedisError):
            return False
        finally:
            await client.aclose()


def _socket(directory: DataDirectory) -> Path:
    return directory.socket_directory("redis") / "redis.sock"
