"""`tidings up`: everything on one machine, under one supervisor.

Processes in play: this one; the embedded stores where no address is configured; API, producer and consumers; with
`--demo` a fake gateway. It starts the stores, brings the schema up to date, hands the addresses to the processes in
their environment, and waits. The first SIGINT, SIGTERM or SIGHUP stops API, producer, consumers, gateway and stores, in
this order; the second kills what still runs, but still stops the stores cleanly.

After a `kill -9` of this process the kernel ends the others, and the next `tidings up` recovers what they left.
"""

import asyncio
import itertools
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

import msgspec
import structlog
import typer

from tidings.cli.client import ApiClient, ApiError
from tidings.cli.store import bring_up_to_date
from tidings.cli.up.samples import TEXTS, delivered, post_samples
from tidings.cli.up.supervisor import Program, Supervisor
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import SettingsError, TidingsError
from tidings.embedded import EmbeddedStores
from tidings.observability.logs import configure_logging
from tidings.runtime.stores import resolve
from tidings.settings import Settings, default_data_dir, load

log = structlog.get_logger(__name__)

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READY_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
DEMO_GATEWAY: Final = """
[[gateway]]
name = "demo"
preset = "plain"
base_url = "{url}"
credentials = {{ receipt_token = "{token}" }}
request = {{ with_callback = {{ callback = "{{callback}}" }} }}
"""
PYTHON: Final = (sys.executable, "-P", "-m")
"""-P: a folder named `api` where the user happens to stand is not ours."""


def up(*, consumers: int, port: int | None, data_dir: Path | None, demo: bool) -> int:
    """Runs until a signal stops it; returns the exit code. Raises TidingsError where it cannot start."""
    settings = load()
    if port is not None:
        settings = msgspec.structs.replace(settings, port=port)
    if data_dir is not None:
        settings = msgspec.structs.replace(settings, data_dir=data_dir)
    configure_logging("up", settings.log_level)
    settings = msgspec.structs.replace(settings, port=_free_port(settings.host, settings.port))
    return asyncio.run(_Machine(settings, consumers=consumers, demo=demo).run())


class _Machine:
    """Everything that runs on this machine, from the first store to the last process."""

    def __init__(self, settings: Settings, *, consumers: int, demo: bool) -> None:
        self._settings = resolve(settings)
        self._stores = EmbeddedStores(
            settings.data_dir, postgres=not settings.postgres_uri, redis=not settings.redis_uri
        )
        self._embedded = not (settings.postgres_uri and settings.redis_uri)
        gateway_port = _free_port("127.0.0.1", 0) if demo else None
        self._supervisor = Supervisor(programs(self._settings, consumers=consumers, gateway_port=gateway_port))
        self._consumers = consumers
        self._demo = demo
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        with self._signals():
            try:
                return await self._run()
            finally:
                await self._supervisor.stop()
                if self._embedded:
                    await self._stores.stop()

    async def _run(self) -> int:
        if self._embedded:
            await self._stores.start()
        for name in await bring_up_to_date(self._settings.postgres_uri, self._settings.postgres_listen_uri):
            log.info("migration applied", name=name)
        if self._stopping.is_set():
            return 0
        self._supervisor.start()
        welcome = asyncio.create_task(self._welcome())
        stop = asyncio.create_task(self._stopping.wait())
        failure = asyncio.create_task(self._supervisor.failed())
        try:
            await asyncio.wait({stop, failure}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(welcome, stop, failure)
        if failure.done() and not failure.cancelled():
            raise SettingsError(
                f"{failure.result().name} cannot run with these settings and stores; mend what is named above"
            )
        _say("stopping (Ctrl-C again to hurry)")
        return 0

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            self._supervisor.hurry()
        self._stopping.set()

    async def _welcome(self) -> None:
        """Says where things are once a message could be delivered, and with `--demo` sends the samples."""
        url = f"http://{_authority(self._settings)}"
        try:
            async with ApiClient(url, self._settings.api_key) as api:
                if not await _ready(api):
                    log.warning("not ready yet", url=f"{url}/health/ready", seconds=READY_SECONDS)
                    return
                _say(f"tidings is up: {url}  ({self._consumers} consumers, Ctrl-C stops it)")
                _say(await _dashboard_hint(url, self._settings))
                if self._demo:
                    await _show_samples(api)
        except TidingsError as error:
            log.warning("welcome not shown", reason=str(error))
        except Exception:
            # A fault here is no reason to stop what delivers messages.
            log.exception("welcome failed")


def programs(settings: Settings, *, consumers: int, gateway_port: int | None) -> list[list[Program]]:
    """The processes in the order in which they stop; `gateway_port` asks for the fake gateway."""
    shared = {
        "POSTGRES_URI": settings.postgres_uri,
        "REDIS_URI": settings.redis_uri,
        "DATA_DIR": str(settings.data_dir.absolute()),
        "PORT": str(settings.port),
        # Who starts it here has nothing yet to show the API.
        "TRUST_THIS_MACHINE": os.environ.get("TRUST_THIS_MACHINE") or "true",
    }
    gateway = []
    if gateway_port is not None:
        url = f"http://127.0.0.1:{gateway_port}/"
        if settings.webhook_url or settings.sms_gateways:
            shared["WEBHOOK_URL"] = settings.webhook_url or url
        else:
            shared |= _demo_gateway(settings, url)
        command = (*PYTHON, "tidings.cli.up.gateway", "--port", str(gateway_port))
        gateway.append(Program(name="gateway", command=command))

    metrics_ports = itertools.count(settings.metrics_port) if settings.metrics_port else itertools.repeat(0)

    def process(name: str, module: str, environ: Mapping[str, str] | None = None, grace: float = 10.0) -> Program:
        own = {"METRICS_PORT": str(next(metrics_ports)), **(environ or {})}
        return Program(name=name, command=(*PYTHON, module), environ={**shared, **own}, grace_seconds=grace)

    # In this order, which is that of their METRICS_PORT.
    api, producer = process("api", "api"), process("producer", "producer")

    crew = []
    for number in range(1, consumers + 1):
        name = f"{settings.consumer_name}-{number}"
        # A little over its own grace period, so that it can still record what it finished.
        crew.append(process(name, "consumers", {"CONSUMER_NAME": name}, settings.grace_seconds + 5))
    return [[api], [producer], crew, gateway]


def _demo_gateway(settings: Settings, url: str) -> dict[str, str]:
    """The fake gateway as one of the configuration, so that it can report what became of a message."""
    return {
        "PUBLIC_URL": settings.public_url or f"http://127.0.0.1:{settings.port}",
        "SMS_GATEWAYS": DEMO_GATEWAY.format(url=url, token=token_urlsafe(24)),
    }


async def _ready(api: ApiClient) -> bool:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                try:
                    await api.get("/health/ready")
                except ApiError:
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    return True
    except TimeoutError:
        return False


async def _show_samples(api: ApiClient) -> None:
    posted = await post_samples(api)
    if not posted:
        _say("the fifteen sample messages were sent before; `tidings list` shows them")
        return
    _say(f"{len(posted)} sample messages are on their way")
    await delivered(api, posted)
    _say(f"all {len(TEXTS)} sample messages are delivered; `tidings list` shows them")


async def _dashboard_hint(url: str, settings: Settings) -> str:
    """Where the dashboard is, and what it takes to see it. Raises ApiError where the API does not answer."""
    make_account = "tidings user add --admin you@example.com"
    if settings.data_dir != default_data_dir():
        make_account = f"DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {make_account}"
    if await _is_open(url):
        return f"dashboard: {url}/  (open to this machine; once there is an account one logs in: {make_account})"
    return f"dashboard: {url}/  (log in with an account; to make one: {make_account})"


async def _is_open(url: str) -> bool:
    """Whether the page needs no login."""
    async with ApiClient(url) as stranger:
        try:
            await stranger.get("/dashboard/session")
        except ApiError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                return False
            raise
    return True


def _free_port(host: str, port: int) -> int:
    """`port` itself, or a free one for 0. Raises SettingsError where it is taken."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingsError(f"PORT: cannot listen on {host}:{port}: {reason.lower()}; --port chooses another") from None


def _authority(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  asked, not bound
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def _say(line: str) -> None:
    typer.secho(line, bold=True)
