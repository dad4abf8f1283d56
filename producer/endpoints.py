"""What becomes of webhook endpoints and events with time: done by the producer that leads.

Everything here may be repeated; a crash leaves work for the next round.
"""

from datetime import timedelta
from typing import Final

import structlog

from producer.leader import Duty
from sql.endpoints import Unnotified
from sql.store import Store
from tidings.channels.installed import recipients
from tidings.channels.recipient import RecipientError
from tidings.domain.endpoint import Endpoint
from tidings.domain.ids import new_id, time_of
from tidings.domain.message import DEFAULT_QUEUE, NewMessage, Priority
from tidings.domain.retry import RetryDefaults
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

log = structlog.get_logger(__name__)

HOURLY: Final = 3600.0
NOTIFIED_AT_ONCE: Final = 100
MAIL: Final = "email"
_SUBJECT: Final = "A webhook endpoint was disabled"
_TEXT: Final = """\
Nothing is sent to this endpoint any more, since {why}:

{url}

The last error was: {error}

Its messages wait. When its receiver is there again:

1. enable it: POST /api/v1/endpoints/{id}/enable
2. send it what it has missed: POST /api/v1/endpoints/{id}/recover with {{"since": "{since}"}}
"""
_WHY: Final = {"gone": "it answered 410 Gone", "failing": "every attempt has failed for days"}


class EndpointMaintenance:
    """Lets owners know of endpoints that were disabled by themselves, and forgets events."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._retries = RetryDefaults(delays=settings.retry_delays, max_tries=settings.max_tries)
        self.duties = (
            Duty(name="disabled endpoints", every=settings.reconcile_seconds, work=self.notify),
            Duty(name="events", every=HOURLY, work=self.forget),
        )

    async def notify(self) -> None:
        """Lets owners know, by mail where `SMTP_URL` is set, and by a status event.

        In one transaction with what says that they know, so each is notified once.
        """
        found = NOTIFIED_AT_ONCE
        while found == NOTIFIED_AT_ONCE:
            async with self._store.database.together():
                unnotified = await self._store.endpoints.to_notify(limit=NOTIFIED_AT_ONCE)
                for each in unnotified:
                    await self._notify(each)
                if unnotified:
                    ids = [each.endpoint.id for each in unnotified]
                    await self._store.status_events.report_disabled(ids)
                    await self._store.endpoints.notified(ids)
            found = len(unnotified)

    async def forget(self) -> None:
        """Forgets events as old as messages are kept, once their last message is gone."""
        if forgotten := await self._store.events.forget(utc_now() - timedelta(days=self._settings.retention_days)):
            log.info("events forgotten", events=forgotten)

    async def _notify(self, unnotified: Unnotified) -> None:
        endpoint = unnotified.endpoint
        log.warning("an endpoint was disabled", endpoint=str(endpoint.id), reason=endpoint.disabled_reason)
        if self._settings.smtp_url and unnotified.email is not None:
            try:
                address = recipients(MAIL).check(unnotified.email)
            except RecipientError as error:
                log.warning("no mail about a disabled endpoint", endpoint=str(endpoint.id), error=str(error))
                return
            await self._store.messages.insert([self._mail(endpoint, address)])

    def _mail(self, endpoint: Endpoint, address: str) -> NewMessage:
        message_id = new_id()
        text = _TEXT.format(
            why=_WHY.get(str(endpoint.disabled_reason), "it failed"),
            url=endpoint.url,
            error=endpoint.last_error or "none",
            id=endpoint.id,
            since=(endpoint.failing_since or endpoint.disabled_at or utc_now()).isoformat(timespec="seconds"),
        )
        rules = recipients(MAIL)
        return NewMessage(
            id=message_id,
            user_id=None,
            queue=DEFAULT_QUEUE,
            channel=MAIL,
            recipient=address,
            subject=_SUBJECT,
            content=text,
            headers={"Auto-Submitted": "auto-generated"},
            priority=Priority.NORMAL,
            max_tries=self._retries.tries(None, rules.retry_delays),
            due_at=time_of(message_id),
            expires_at=None,
            created_at=time_of(message_id),
        )
