"""tidings/channels/echo/channel.py"""

import logging
from collections.abc import Iterator

import pytest

from tests.unit.channels.doubles import answer, context, delivery
from tidings.channels.base import Accepted, Retry
from tidings.channels.echo.channel import EchoChannel


class Notebook:
    """A logger as a user would write one."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.logged: list[str] = []
        self.errors: list[str] = []

    def log(self, text: str) -> None:
        if self.trouble:
            raise self.trouble
        self.logged.append(text)

    def error(self, text: str) -> None:
        self.errors.append(text)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The logger `tidings.echo`, put back as it was."""
    logger = logging.getLogger("tidings.echo")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield logger
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)


def channel(notebook: Notebook | None = None) -> EchoChannel:
    channel_context, _ = context(answer(500))
    return EchoChannel(channel_context) if notebook is None else EchoChannel(channel_context, notebook)


async def test_the_users_logger_prints() -> None:
    notebook = Notebook()
    assert await channel(notebook).deliver(delivery(content="Hello future!")) == Accepted()
    assert (notebook.logged, notebook.errors) == (["Hello future!"], [])


async def test_a_logger_that_fails_is_told_and_tried_again() -> None:
    notebook = Notebook(OSError("disk full"))
    result = await channel(notebook).deliver(delivery())
    assert result == Retry(error="the logger failed: OSError")
    assert len(notebook.errors) == 1
    assert str(delivery().id) in notebook.errors[0]


async def test_the_standard_logger_takes_the_users_handlers(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.addHandler(caplog.handler)
    logger.propagate = False
    await channel().deliver(delivery(content="100 % sure"))
    assert [record.getMessage() for record in caplog.records] == ["100 % sure"]


async def test_without_handlers_it_prints_the_bare_content(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.propagate = False
    echo = channel()
    channel()  # a second one adds no second line
    await echo.deliver(delivery(content="Hello"))
    assert capsys.readouterr().out == "Hello\n"


async def test_the_log_level_of_the_process_hides_no_message(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        await channel().deliver(delivery(content="Hello"))
    finally:
        root.setLevel(level)
    assert caplog.messages == ["Hello"]


async def test_the_users_own_level_stays(logger: logging.Logger) -> None:
    logger.setLevel(logging.ERROR)
    channel()
    assert logger.level == logging.ERROR


def test_there_is_one_destination() -> None:
    assert channel(Notebook()).destination(delivery(recipient="anybody")) == "echo"
