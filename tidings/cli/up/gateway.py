"""A fake SMS gateway for trying things out: it accepts what it is sent and says so in a friendly line.

`python -P -m tidings.cli.up.gateway --port 9000 --error-rate 0.1` runs it. `POST /` returns what the real one does (202
and a `messageId`), and reports `delivered` a moment later to whoever says a `callback` on this machine; for a share of
requests, `PUT /error-rate` with a number from 0 to 1, it returns 503. It remembers
nothing but that share.
"""

import argparse
import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import msgspec
from aiohttp import web

from tidings.domain.addresses import is_loopback
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import SettingsError, TidingsError

ERROR_RATE: Final = web.AppKey("error_rate", list[float])
"""One number in a list, because an application's values may not be exchanged once it runs."""


REPORTS: Final = web.AppKey("reports", set[asyncio.Task[None]])
"""Those on their way."""
REPORT_SECONDS: Final = 1.0
"""From a message to its report, and between two attempts at a report."""
REPORT_ATTEMPTS: Final = 5
MOST_REPORTS: Final = 1000
"""On their way at once; of further messages nothing is reported."""


SESSION: Final = web.AppKey("session", aiohttp.ClientSession)


class Sms(msgspec.Struct, frozen=True):
    """What channel `sms` posts."""

    to: str
    content: str
    callback: str = ""


def application(error_rate: float = 0.0) -> web.Application:
    """The gateway, which refuses that share of what it is sent."""
    app = web.Application()
    app[ERROR_RATE] = [error_rate]
    app[REPORTS] = set()
    app.cleanup_ctx.append(_reporting)
    app.router.add_post("/", _accept)
    app.router.add_get("/error-rate", _show_error_rate)
    app.router.add_put("/error-rate", _set_error_rate)
    return app


async def _accept(request: web.Request) -> web.Response:
    try:
        sms = msgspec.json.decode(await request.read(), type=Sms)
    except msgspec.DecodeError as error:
        return web.json_response({"message": str(error)}, status=400)
    if random.random() < request.app[ERROR_RATE][0]:  # noqa: S311  no secret hangs on it
        _say(f"✗ {sms.to}  turned away, as the error rate demands")
        return web.json_response({"message": "Unavailable"}, status=503)
    _say(f"✓ {sms.to}  {sms.content}")
    message_id, reports = str(uuid4()), request.app[REPORTS]
    if is_loopback(urlsplit(sms.callback).hostname or "") and len(reports) < MOST_REPORTS:
        report = asyncio.create_task(_report(request.app[SESSION], sms, message_id))
        reports.add(report)
        report.add_done_callback(reports.discard)
    return web.json_response({"message": "Accepted", "messageId": message_id}, status=202)


async def _reporting(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        app[SESSION] = session
        yield
        await cancel_and_wait(*app[REPORTS])


async def _report(session: aiohttp.ClientSession, sms: Sms, message_id: str) -> None:
    """Says that a message was delivered, until somebody has taken that."""
    for _ in range(REPORT_ATTEMPTS):
        await asyncio.sleep(REPORT_SECONDS)
        try:
            async with session.post(sms.callback, json={"messageId": message_id, "status": "delivered"}) as answer:
                if answer.ok:
                    _say(f"→ {sms.to}  reported as delivered")
                    return
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            _say(f"✗ {sms.to}  nobody takes its report: {error}")


async def _show_error_rate(request: web.Request) -> web.Response:
    return web.json_response({"error_rate": request.app[ERROR_RATE][0]})


async def _set_error_rate(request: web.Request) -> web.Response:
    try:
        request.app[ERROR_RATE][0] = read_error_rate(await request.text())
    except TidingsError as error:
        return web.json_response({"message": str(error)}, status=400)
    return await _show_error_rate(request)


def read_error_rate(text: str) -> float:
    """A share from 0 to 1. Raises SettingsError for anything else."""
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise SettingsError(f"ERROR_RATE: {text!r} is not a number from 0 to 1")
    return rate


def _say(line: str) -> None:
    printable = "".join(character for character in line if character.isprintable())
    sys.stdout.write(f"gateway: {printable}\n")
    sys.stdout.flush()


def main() -> int:
    """Serves until SIGTERM or SIGINT; on loopback by default."""
    options = argparse.ArgumentParser(description="A fake SMS gateway.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=9000)
    options.add_argument("--error-rate", default=os.environ.get("ERROR_RATE") or "0")
    chosen = options.parse_args()
    try:
        app = application(read_error_rate(chosen.error_rate))
    except TidingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    web.run_app(app, host=chosen.host, port=chosen.port, print=None, access_log=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
