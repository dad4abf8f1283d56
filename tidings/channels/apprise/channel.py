"""A hundred services through one library: the recipient is an Apprise URL (https://appriseit.com), which names service,
credentials and target. Needs the extra `tidings[apprise]`.

Which URLs are allowed is said in `recipient.py`; they are stored sealed and opened here, for one delivery. A URL of
several targets is rejected: some would get the message again with every attempt that another one needs.

May deliver a message twice if an attempt takes longer than `DELIVERY_TIMEOUT`: Apprise blocks, so each delivery has a
thread of a small pool, and a thread cannot be cancelled. The attempt counts as failed, and its thread ends by itself;
until then it counts, so there are never more than THREADS.
"""

import asyncio
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode
from apprise.exception import AppriseException

from tidings.channels.apprise.recipient import AppriseRecipients, check_url
from tidings.channels.base import About, Accepted, Channel, ChannelContext, Rejected, Result, Retry
from tidings.channels.http.judgement import judge
from tidings.channels.http.transport import Answer
from tidings.channels.recipient import RecipientError
from tidings.domain.errors import UnsealError
from tidings.domain.message import Delivery
from tidings.domain.url_schemas import schemas
from tidings.security.secretbox import SecretBox

THREADS: Final = 16

_STATUS: Final = re.compile(r"\berror=([0-9]{3})\b")


class AppriseChannel(Channel):
    """Delivers through whatever service the URL names."""

    recipients = AppriseRecipients()

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        settings = context.settings
        self._box = SecretBox(settings.secret_keys)
        self._opened = schemas(settings.apprise_schemas)
        self._connect_timeout = settings.connect_timeout
        self._timeout = settings.delivery_timeout
        self._asset = AppriseAsset(
            app_id="tidings",
            storage_mode=PersistentStoreMode.MEMORY,
            http_redirects=False,
            pgp_autogen=False,
            pem_autogen=False,
        )
        self._refusals = _RefusalListener()
        self._free = asyncio.Semaphore(THREADS)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")

    @property
    def time_limit(self) -> float:
        """With the wait for a thread."""
        return 2 * self._timeout

    async def deliver(self, delivery: Delivery) -> Result:
        try:
            url = check_url(self.recipients.unseal(delivery.recipient, delivery.id, self._box), self._opened)
        except UnsealError as error:
            return Retry(error=str(error), about=About.OURSELVES)
        except RecipientError as error:
            return Rejected(error=f"the recipient {error}")
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            # Nothing was sent: all threads are with services that do not answer.
            return Retry(error=f"no thread was free within {self._timeout:g} s", about=About.OURSELVES)
        sending = asyncio.get_running_loop().run_in_executor(self._pool, self._send, url, delivery)
        sending.add_done_callback(lambda _: self._free.release())
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(sending)
        except TimeoutError:
            return Retry(error=f"timed out after {self._timeout:g} s", unanswered=True)

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._refusals.close()

    def _send(self, url: str, delivery: Delivery) -> Result:
        """One attempt, in a thread. Apprise's own texts are dropped: they may repeat what is in the URL."""
        try:
            service = Apprise.instantiate(url, asset=self._asset, suppress_exceptions=False)
        except (AppriseException, TypeError, ValueError):
            service = None
        if service is None:
            return Rejected(error="the recipient is not a URL that Apprise can use")
        if len(service) > 1:
            return Rejected(error="the recipient names several targets; send a message to each")
        service.socket_connect_timeout = self._connect_timeout
        service.socket_read_timeout = self._timeout
        # The pause between two requests of one object, and this one lives for one delivery.
        service.request_rate_per_sec = 0
        self._refusals.status()
        try:
            accepted = service.notify(
                body=delivery.content, title=delivery.subject or "", body_format=NotifyFormat.TEXT
            )
        except Exception as error:  # noqa: BLE001  (a hundred plugins)
            return Retry(error=f"{type(error).__name__} in Apprise")
        if accepted:
            return Accepted()
        return self._judge(self._refusals.status())

    def _judge(self, status: int | None) -> Result:
        if status is None:
            return Retry(error="the service did not take the message, or could not be reached")
        result = judge(Answer(status, {}, b""), self.context.now)
        if isinstance(result, Accepted):
            # Some services refuse in the body of a 200, in words from which nobody can tell whether for good.
            return Retry(error="the service did not take the message", status_code=status)
        return result


class _RefusalListener(logging.Handler):
    """Apprise returns True or False; the HTTP status of a refusal is only in its log, which ends here."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = threading.local()
        self._logger = logging.getLogger("apprise")
        self._logger.addHandler(self)
        self._logger.propagate = False
        self._logger.setLevel(logging.WARNING)
        # At DEBUG it names the path of every request, which is where many services want their token.
        logging.getLogger("urllib3").setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        if found := _STATUS.search(record.getMessage()):
            self._last.status = int(found[1])

    def status(self) -> int | None:
        """The status that was last logged in this thread, once."""
        status: int | None = getattr(self._last, "status", None)
        self._last.status = None
        return status

    def close(self) -> None:
        self._logger.removeHandler(self)
        super().close()
