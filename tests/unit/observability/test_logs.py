"""One log for everything: its two forms, its fields, and what never gets in."""

import asyncio
import io
import json
import logging
import os
import warnings
from typing import Any
from uuid import UUID

import pytest
import structlog

from tidings.observability import tracing
from tidings.observability.logs import configure_logging, delivering
from tidings.observability.spans import Spans, new_provider

PASSWORD = "hunter2"


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_elsewhere_than_on_a_terminal_each_line_is_a_json_object(stderr: io.StringIO) -> None:
    configure_logging("producer", "INFO", stream=stderr)
    structlog.get_logger("producer.claimer").info("claimed", size=3)
    [entry] = entries(stderr)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "level": "info",
        "process": "producer",
        "pid": os.getpid(),
        "event": "claimed",
        "logger": "producer.claimer",
        "size": 3,
    }


def test_on_a_terminal_a_line_is_for_people(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    configure_logging("consumer", "INFO", stream=terminal)
    structlog.get_logger().warning("lease lost", batch="b1")
    line = terminal.getvalue()
    assert "consumer: lease lost" in line
    assert "batch=b1" in line
    assert "\x1b" not in line


def test_a_terminal_gets_colours(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    configure_logging("consumer", "INFO", stream=terminal)
    structlog.get_logger().info("ready")
    assert "\x1b[" in terminal.getvalue()


def test_the_standard_library_goes_the_same_way(stderr: io.StringIO) -> None:
    configure_logging("api", "INFO", stream=stderr)
    logging.getLogger("aiohttp.access").info("GET %s %d", "/health", 200)
    [entry] = entries(stderr)
    assert (entry["process"], entry["event"], entry["logger"]) == ("api", "GET /health 200", "aiohttp.access")


def test_warnings_go_the_same_way(stderr: io.StringIO) -> None:
    configure_logging("api", "INFO", stream=stderr)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("this is old", DeprecationWarning, stacklevel=1)
    [entry] = entries(stderr)
    assert "this is old" in entry["event"]


def test_arqs_worker_speaks_only_up(stderr: io.StringIO) -> None:
    configure_logging("consumer", "DEBUG", stream=stderr)
    logging.getLogger("arq.worker").info("0.02s → abc:deliver(…)")
    logging.getLogger("arq.worker").warning("job failed")
    assert [entry["event"] for entry in entries(stderr)] == ["job failed"]


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_the_level_decides(stderr: io.StringIO, level: str, shown: int) -> None:
    configure_logging("api", level, stream=stderr)
    log = structlog.get_logger()
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert len(entries(stderr)) == shown


def test_a_second_call_replaces_the_first(stderr: io.StringIO) -> None:
    configure_logging("api", "INFO", stream=stderr)
    configure_logging("producer", "INFO", stream=stderr)
    structlog.get_logger().info("once")
    assert [entry["process"] for entry in entries(stderr)] == ["producer"]


@pytest.mark.parametrize(
    "fields",
    [
        {"password": PASSWORD},
        {"postgres_uri": f"postgres://{PASSWORD}@h/d"},
        {"webhook_auth_key": PASSWORD},
        {"headers": {"Authorization": f"Bearer {PASSWORD}"}},
        {"address": f"rediss://u:{PASSWORD}@h:1/0"},
        {"tried": [f"postgres://u:{PASSWORD}@h/d"]},
        {"error": ConnectionError(f"no answer from redis://:{PASSWORD}@h")},
        {"event_text": f"two: redis://:{PASSWORD}@a and redis://:{PASSWORD}@b"},
    ],
)
def test_secrets_never_get_in(stderr: io.StringIO, fields: dict[str, Any]) -> None:
    configure_logging("api", "INFO", stream=stderr)
    structlog.get_logger().info("look", **fields)
    assert len(entries(stderr)) == 1
    assert PASSWORD not in stderr.getvalue()


def test_a_traceback_shows_neither_passwords_nor_local_variables(stderr: io.StringIO) -> None:
    configure_logging("api", "INFO", stream=stderr)

    def connect(password: str) -> None:
        raise ConnectionError(f"no answer from postgres://u:{password}@h/d")

    try:
        connect(PASSWORD)
    except ConnectionError:
        structlog.get_logger().exception("lost")
    [entry] = entries(stderr)
    assert "ConnectionError: no answer from postgres://u:…@h/d" in entry["exception"]
    assert PASSWORD not in stderr.getvalue()


def test_a_traceback_on_a_terminal(terminal: Terminal) -> None:
    configure_logging("api", "INFO", stream=terminal)
    structlog.get_logger().error("lost", exc_info=ConnectionError(f"postgres://u:{PASSWORD}@h/d"))
    assert "ConnectionError: postgres://u:…@h/d" in terminal.getvalue()
    assert PASSWORD not in terminal.getvalue()


def test_a_value_of_any_kind_can_be_logged(stderr: io.StringIO) -> None:
    configure_logging("api", "INFO", stream=stderr)
    structlog.get_logger().info("odd", value=object(), raw=b"\xff", many={1: {2}})
    assert len(entries(stderr)) == 1


def test_each_line_of_a_consumer_names_it(stderr: io.StringIO) -> None:
    configure_logging("consumer", "INFO", consumer="c1", stream=stderr)
    structlog.get_logger("consumers.slots").warning("no slots are offered")
    logging.getLogger("aiohttp.client").warning("from elsewhere")
    assert [entry["consumer"] for entry in entries(stderr)] == ["c1", "c1"]


async def test_each_line_of_a_delivery_names_its_message_and_its_batch(stderr: io.StringIO) -> None:
    configure_logging("consumer", "INFO", stream=stderr)

    async def deliver(message: int, batch: int) -> None:
        delivering.set((UUID(int=message), UUID(int=batch)))
        await asyncio.sleep(0)
        logging.getLogger("aiohttp.client").warning("from elsewhere")

    await asyncio.gather(deliver(1, 7), deliver(2, 7))
    logging.getLogger("aiohttp.client").warning("outside")
    *inside, outside = entries(stderr)
    assert {(entry["message"], entry["batch"]) for entry in inside} == {
        (str(UUID(int=1)), str(UUID(int=7))),
        (str(UUID(int=2)), str(UUID(int=7))),
    }
    assert "message" not in outside


def test_each_line_in_a_trace_names_it(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = Spans(new_provider("api", "here"))
    monkeypatch.setattr(tracing, "_spans", spans)
    configure_logging("api", "INFO", stream=stderr)
    with spans.request("POST", "/api/v1/messages", {}) as span:
        structlog.get_logger("api").info("inside")
    structlog.get_logger("api").info("outside")
    inside, outside = entries(stderr)
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert "trace_id" not in outside


UNSEEN = "a\x1b]0;owned\x07b\x85c\x9b31md\u202ee\u2066f\u200fg\u2028h\x00i"


def test_nothing_that_a_stranger_wrote_reaches_a_terminal(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    for stream in (stderr, terminal):
        configure_logging("api", "INFO", stream=stream)
        structlog.get_logger().info(UNSEEN, name=f"{UNSEEN}\nanother line", deep={"x": [UNSEEN]}, half="\udc80")
        said = stream.getvalue()
        assert said.endswith("\n")
        assert not set(said[:-1]) & {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u202e\u2066\u200f\u2028"}
        said.encode()
    [entry] = entries(stderr)
    assert entry["event"] == UNSEEN
    assert "\\u009b31m" in terminal.getvalue()


def test_tracebacks_keep_their_lines_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    configure_logging("api", "INFO", stream=terminal)
    try:
        int("bad \x9b31m value")
    except ValueError:
        structlog.get_logger().exception("it failed")
    assert len(terminal.getvalue().splitlines()) > 3
    assert "\x9b" not in terminal.getvalue()
