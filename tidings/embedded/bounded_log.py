"""A log file that a store writes to through a pipe and that cannot fill the disk.

In play: a pipe whose write end is the store's standard output and error, a thread that copies it to the file, and one
older file beside it (`<name>.1`). The thread, not the event loop, empties the pipe: a store must never wait for us.
If this process dies the pipe is gone, and so is the store (`child_process.py`).
"""

import os
import threading
from pathlib import Path
from typing import Final

LIMIT: Final = 8 * 1024 * 1024
"""Bytes after which the file becomes the older one."""


class BoundedLog:
    """Writes at most twice `limit` bytes, in `path` and `path.1`."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self.path = path
        self._limit = limit
        self._thread: threading.Thread | None = None
        self._tail = b""

    def open(self) -> int:
        """Returns the descriptor to write to, which the caller closes once its child has it."""
        self._tail = b""
        read, write = os.pipe()
        self._thread = threading.Thread(target=self._copy, args=(read,), name=f"log {self.path.name}", daemon=True)
        self._thread.start()
        return write

    def drain(self) -> None:
        """Waits shortly until what an ended writer wrote is in the file."""
        if self._thread:
            self._thread.join(timeout=1)

    def last_line(self) -> str:
        """The last line written since `open`, for an error message."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"

    def _copy(self, source: int) -> None:
        with open(source, "rb", buffering=0) as pipe:
            while chunk := pipe.read(65536):
                self._tail = (self._tail + chunk)[-4096:]
                try:
                    self._append(chunk)
                except OSError:
                    # The disk is full or the folder gone: these lines are lost, the store goes on.
                    continue

    def _append(self, chunk: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(chunk)
            size = file.tell()
        if size >= self._limit:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
