"""Things as they come in answers, shown in the document wherever their type is answered."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from api.accounts.schemas import (
    KeyAnswer,
    KeyList,
    LoginAnswer,
    NewKeyAnswer,
    SecretAnswer,
    SmtpAnswer,
    UserAnswer,
    UserList,
)
from api.messages import cursor
from api.messages.schemas import (
    AttemptAnswer,
    AttemptList,
    BatchAnswer,
    HealthAnswer,
    MessageAnswer,
    MessageList,
    QueueList,
    Readiness,
)
from tidings.domain.account import Role
from tidings.domain.message import DEFAULT_QUEUE, Queue
from tidings.domain.states import AttemptOutcome, CancelReason, Status

MESSAGE_ID: Final = UUID("0197d7a4-5b3e-7c41-9f0a-2b6c8d1e4f70")
USER_ID: Final = UUID("0197d7a4-1c22-7f3b-8e55-0a9b7c6d5e4f")
KEY_ID: Final = UUID("0197d7a4-33aa-7b10-b2c3-d4e5f6a7b8c9")
CREATED: Final = datetime(2030, 1, 31, 8, 59, 30, tzinfo=UTC)
DUE: Final = CREATED + timedelta(seconds=30)
CURSOR: Final = cursor.encode(MESSAGE_ID)

MESSAGE: Final = MessageAnswer(
    id=MESSAGE_ID,
    channel="sms",
    recipient="+905551111111",
    subject=None,
    content="Your parcel is on its way.",
    headers=None,
    queue=DEFAULT_QUEUE,
    priority="normal",
    status=Status.PENDING,
    tries=0,
    max_tries=5,
    recoveries=0,
    due_at=DUE,
    expires_at=None,
    sent_at=None,
    cancel_reason=None,
    last_error=None,
    provider_message_id=None,
    created_at=CREATED,
)
CANCELLED: Final = replace(MESSAGE, status=Status.CANCELLED, cancel_reason=CancelReason.REQUESTED)
MESSAGES: Final = MessageList(messages=[MESSAGE], next_cursor=CURSOR)
BATCH: Final = BatchAnswer(accepted=1, ids=[MESSAGE_ID])
ATTEMPTS: Final = AttemptList(
    attempts=[
        AttemptAnswer(
            try_number=1,
            outcome=AttemptOutcome.RETRY,
            started_at=DUE,
            duration=0.135,
            status_code=503,
            error="503 Service Unavailable",
            answer="try again later",
            consumer="consumer-1",
        )
    ]
)

QUEUE: Final = Queue(name="newsletter", active=True, interval_seconds=120, batch_size=2, last_claimed_at=CREATED)
STOPPED_QUEUE: Final = replace(QUEUE, active=False)
QUEUES: Final = QueueList(queues=[QUEUE])

USER: Final = UserAnswer(
    id=USER_ID,
    email="ida@example.com",
    role=Role.USER,
    channels=["email", "webhook"],
    smtp=SmtpAnswer(host="mail.example.com", port=587, username="ida", has_password=True, tls=True),
    signs_webhooks=False,
    created_at=CREATED,
    updated_at=CREATED,
)
USERS: Final = UserList(users=[USER], next_cursor=None)
LOGIN: Final = LoginAnswer(token="eyJhbGciOi…", expires_at=CREATED + timedelta(hours=12), user_id=USER_ID)  # noqa: S106
SECRET: Final = SecretAnswer(secret="whsec_…", previous_until=CREATED + timedelta(days=1))  # noqa: S106

_PREFIX: Final = "tdg_0123456789abcdef"
KEY: Final = KeyAnswer(
    id=KEY_ID,
    name="the shop",
    prefix=_PREFIX,
    channels=None,
    created_at=CREATED,
    last_used_at=None,
    revoked_at=None,
)
REVOKED_KEY: Final = replace(KEY, revoked_at=DUE)
KEYS: Final = KeyList(api_keys=[KEY])
NEW_KEY: Final = NewKeyAnswer(id=KEY_ID, name="the shop", key=f"{_PREFIX}_…", channels=None, created_at=CREATED)

HEALTHY: Final = HealthAnswer(message="healthy", status="ok")
UNHEALTHY: Final = HealthAnswer(message="unhealthy: redis does not answer", status="unavailable")
READY: Final = Readiness(status="ready", checks={"postgres": "ok", "redis": "ok", "consumers": "ok"})
NOT_READY: Final = Readiness(status="unavailable", checks={**READY.checks, "consumers": "none is alive"})
