"""Prints messages: through the standard logger `tidings.echo`, or through a logger of your own.

Give `logging.getLogger("tidings.echo")` the handlers and level you like; without handlers it prints the bare content to
standard output. How to register a logger of your own is in docs/channels.md.
"""

import logging
import sys
from typing import Protocol

from tidings.channels.base import Accepted, Channel, ChannelContext, Result, Retry
from tidings.channels.echo.recipient import EchoRecipients
from tidings.domain.message import Delivery


class EchoLogger(Protocol):
    """Where messages are printed. It is called in the event loop, so it must not block."""

    def log(self, text: str, /) -> None:
        """Prints the content of a message; an exception means that it is tried again."""

    def error(self, text: str, /) -> None:
        """Reports a message that `log` could not print."""


class StandardLogger:
    """The logger `tidings.echo`; messages are of level INFO."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("tidings.echo")
        if self._logger.level == logging.NOTSET:
            # LOG_LEVEL is for the log of tidings itself; messages are printed whatever it is.
            self._logger.setLevel(logging.INFO)
        if not self._logger.hasHandlers():
            self._logger.addHandler(logging.StreamHandler(sys.stdout))

    def log(self, text: str) -> None:
        self._logger.info("%s", text)

    def error(self, text: str) -> None:
        self._logger.error("%s", text)


class EchoChannel(Channel):
    """Accepted is what the logger printed."""

    recipients = EchoRecipients()

    def __init__(self, context: ChannelContext, logger: EchoLogger | None = None) -> None:
        super().__init__(context)
        self._logger = StandardLogger() if logger is None else logger

    async def deliver(self, delivery: Delivery) -> Result:
        try:
            self._logger.log(delivery.content)
        except Exception as error:  # noqa: BLE001  (the logger may be code of another package)
            problem = f"the logger failed: {type(error).__name__}"
            self._logger.error(f"message {delivery.id}: {problem}")  # noqa: TRY400  (an EchoLogger has no `exception`)
            return Retry(error=problem)
        return Accepted()
