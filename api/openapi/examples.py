"""Examples of what is returned, shown in the document with the routes that return it."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from api.accounts.schemas import (
    DeletionAnswer,
    EndedSessions,
    KeyAnswer,
    KeyList,
    LoginAnswer,
    NewKeyAnswer,
    SecretAnswer,
    SessionAnswer,
    SessionList,
    SmtpAnswer,
    UserAnswer,
    UserList,
)
from api.accounts.smtp_schemas import AccountAnswer, AccountList, TrialAnswer
from api.audit.schemas import AuditAnswer, AuditList
from api.bounces.report import Event
from api.bounces.schemas import ReportAnswer, ReportedAnswer
from api.explain.schemas import Explanation, Facts, LastTry, Next, Reason
from api.health.schemas import HealthAnswer, Readiness
from api.holds.schemas import HoldList, Released
from api.messages.listing import encode_cursor
from api.messages.schemas import (
    AttemptAnswer,
    AttemptList,
    BatchAnswer,
    Changed,
    MessageAnswer,
    MessageList,
    QueueList,
)
from api.overview.schemas import (
    ChannelOverview,
    ConsumerOverview,
    Counts,
    Flow,
    Health,
    History,
    Overview,
    QueueOverview,
    Totals,
)
from api.quotas.schemas import QuotaAnswer
from api.suppressions.schemas import SuppressionList
from sql.changes import Progress
from tidings.domain.account import Role, Tls
from tidings.domain.api_key import USUAL_SCOPES
from tidings.domain.audit import Action, Actor
from tidings.domain.mail_parts import Mailbox
from tidings.domain.message import DEFAULT_QUEUE, Hold, NewMessage, Priority, Queue
from tidings.domain.quota import Quota, Use
from tidings.domain.retry import RetryDefaults
from tidings.domain.states import AttemptOutcome, CancelReason, HeldReason, Receipt, Status
from tidings.domain.suppression import Suppression, SuppressionReason
from tidings.observability.reports import BreakerReport, Held, HeldReport, RateReport

MESSAGE_ID: Final = UUID("0197d7a4-5b3e-7c41-9f0a-2b6c8d1e4f70")
USER_ID: Final = UUID("0197d7a4-1c22-7f3b-8e55-0a9b7c6d5e4f")
DELETION_ID: Final = UUID("5b0c3c7e-8f4e-4c1b-9d0a-6f2e1d3c4b5a")
KEY_ID: Final = UUID("0197d7a4-33aa-7b10-b2c3-d4e5f6a7b8c9")
CREATED: Final = datetime(2030, 1, 31, 8, 59, 30, tzinfo=UTC)
DUE: Final = CREATED + timedelta(seconds=30)
CURSOR: Final = encode_cursor(MESSAGE_ID)

MESSAGE: Final = MessageAnswer.of(
    NewMessage(
        id=MESSAGE_ID,
        user_id=USER_ID,
        queue=DEFAULT_QUEUE,
        channel="sms",
        recipient="+905551111111",
        subject=None,
        content="Your parcel is on its way.",
        headers=None,
        priority=Priority.NORMAL,
        max_tries=5,
        due_at=DUE,
        expires_at=None,
        created_at=CREATED,
    ),
    RetryDefaults(),
)
CANCELLED: Final = replace(MESSAGE, status=Status.CANCELLED, cancel_reason=CancelReason.REQUESTED)
MESSAGES: Final = MessageList(messages=[MESSAGE], next_cursor=CURSOR)
BATCH: Final = BatchAnswer(accepted=1, ids=[MESSAGE_ID])
CHANGED: Final = Changed(count=412, more=False)
CHANGE: Final = Progress(
    id=MESSAGE_ID,
    user_id=None,
    action="cancel",
    count=41_000,
    began_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    ended_at=None,
    state="running",
)
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

_SAID: Final = "smtp; 550 5.1.1 <ida@example.com>: user unknown"
SUPPRESSION: Final = Suppression(
    id=UUID("0197d7a4-9e10-7a35-8c44-1f2e3d4c5b6a"),
    user_id=USER_ID,
    address="ida@example.com",
    reason=SuppressionReason.BOUNCE,
    since=DUE + timedelta(seconds=20),
    detail=f"ida@example.com: 5.1.1 {_SAID}",
    message_id=MESSAGE_ID,
)
SUPPRESSIONS: Final = SuppressionList(suppressions=[SUPPRESSION], next_cursor=None)
REPORT: Final = ReportAnswer(
    message_id=MESSAGE_ID,
    receipt=Receipt.UNDELIVERED,
    recipients=[
        ReportedAnswer(
            address="ida@example.com", event=Event.UNDELIVERED, status="5.1.1", diagnostic=_SAID, suppressed=True
        )
    ],
)

QUEUE: Final = Queue(
    name="newsletter",
    active=True,
    interval_seconds=120,
    batch_size=2,
    last_claimed_at=CREATED,
    next_tick_at=CREATED + timedelta(seconds=120),
)
STOPPED_QUEUE: Final = replace(QUEUE, active=False)
QUEUES: Final = QueueList(queues=[QUEUE])

USER: Final = UserAnswer(
    id=USER_ID,
    email="ida@example.com",
    role=Role.USER,
    channels=["email", "webhook"],
    smtp=SmtpAnswer(host="mail.example.com", port=587, username="ida", has_password=True, tls=Tls.STARTTLS),
    allowed_from=["@shop.example.com"],
    signs_webhooks=False,
    created_at=CREATED,
    updated_at=CREATED,
)
DISABLED_USER: Final = replace(USER, disabled_at=DUE)
DELETION: Final = DeletionAnswer(id=DELETION_ID, requested_at=CREATED, cancelled=2, erased=40, finished_at=None)
SMTP_ACCOUNT: Final = AccountAnswer(
    name="shop",
    is_default=True,
    host="mail.example.com",
    port=587,
    tls=Tls.STARTTLS,
    username="ida",
    has_password=True,
    oauth=None,
    sender=Mailbox(email="shop@example.com", name="The shop"),
    per_hour=500,
    max_connections=None,
)
SMTP_ACCOUNTS: Final = AccountList(smtp_accounts=[SMTP_ACCOUNT])
TRIAL: Final = TrialAnswer(
    works=False,
    phase="AUTH",
    status_code=535,
    answer="",
    error="refused with 535 5.7.8",
    seconds=0.412,
    recipient="ida@example.com",
)
USERS: Final = UserList(users=[USER], next_cursor=None)
LOGIN: Final = LoginAnswer(token="eyJhbGciOi…", expires_at=CREATED + timedelta(hours=12), user_id=USER_ID)  # noqa: S106
SECRET: Final = SecretAnswer(secret="whsec_…", previous_until=CREATED + timedelta(days=1))  # noqa: S106

_PREFIX: Final = "tdg_0123456789abcdef"
KEY: Final = KeyAnswer(
    id=KEY_ID,
    name="the shop",
    prefix=_PREFIX,
    role=Role.USER,
    scopes=USUAL_SCOPES,
    channels=None,
    queues=None,
    expires_at=None,
    parent_id=None,
    created_at=CREATED,
    last_used_at=None,
    revoked_at=None,
)
REVOKED_KEY: Final = replace(KEY, revoked_at=DUE)
KEYS: Final = KeyList(api_keys=[KEY])
NEW_KEY: Final = NewKeyAnswer(
    id=KEY_ID,
    name="the shop",
    key=f"{_PREFIX}_…",
    role=Role.USER,
    scopes=USUAL_SCOPES,
    channels=None,
    queues=None,
    expires_at=None,
    created_at=CREATED,
)

SESSION: Final = SessionAnswer(
    id=UUID("0197d7a4-55cc-7d30-a4e5-f6a7b8c9d0e1"),
    address="192.0.2.7",
    client="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    current=True,
    created_at=CREATED,
    expires_at=CREATED + timedelta(hours=12),
    last_used_at=None,
)
SESSIONS: Final = SessionList(sessions=[SESSION], next_cursor=None)
ENDED_SESSIONS: Final = EndedSessions(count=3)

AUDIT: Final = AuditList(
    audit=[
        AuditAnswer(
            id=UUID("0197d7a4-66dd-7e40-b5f6-a7b8c9d0e1f2"),
            created_at=CREATED,
            actor=Actor.USER,
            user_id=USER_ID,
            key_id=None,
            session_id=SESSION.id,
            address="192.0.2.7",
            action=Action.QUEUE_STOP,
            subject=DEFAULT_QUEUE,
            owner=None,
            detail={},
        )
    ],
    next_cursor=None,
)

HEALTHY: Final = HealthAnswer(message="healthy", status="ok")
UNHEALTHY: Final = HealthAnswer(message="unhealthy: redis does not answer", status="unavailable")
READY: Final = Readiness(status="ready", checks={"postgres": "ok", "redis": "ok", "consumers": "ok", "claims": "ok"})
NOT_READY: Final = Readiness(status="unavailable", checks={**READY.checks, "consumers": "none is alive"})


_AGAIN: Final = DUE + timedelta(seconds=30)

EXPLANATION: Final = Explanation(
    reason=Reason.RETRYING,
    summary="Attempt 1 of 5 failed because of: 503 Service Unavailable. It is tried again at 2030-01-31 09:00:30 UTC.",
    next=Next(what="Attempt 2 of 5.", at=_AGAIN),
    facts=Facts(
        status=Status.FAILED,
        queue=DEFAULT_QUEUE,
        queue_active=True,
        channel="sms",
        destination="sms sms",
        due_at=_AGAIN,
        expires_at=None,
        held_reason=None,
        held_since=None,
        tries=1,
        max_tries=5,
        recoveries=0,
        consumer=None,
        batch_size=None,
        lease_until=None,
        last_try=LastTry(
            number=1,
            started_at=CREATED,
            consumer="consumer-1",
            status_code=503,
            error="503 Service Unavailable",
        ),
    ),
)


_FLOW: Final = Flow(
    sent=412.6,
    failed=0.4,
    cancelled=0.0,
    lateness_p50=0.012,
    lateness_p99=0.048,
    duration_p50=0.021,
    duration_p99=0.19,
)
_COUNTS: Final = Counts(sent=[2063, 2051], failed=[2, 0], cancelled=[0, 0])

HOLD: Final = Hold(
    id=UUID("0197d7a4-77aa-7b10-b2c3-d4e5f6a7b8c9"),
    channel="webhook",
    endpoint="https://example.com/hooks/old",
    user_id=USER_ID,
    reason=HeldReason.ENDPOINT_DISABLED,
    since=CREATED,
    last_error="HTTP 410 Gone",
)
HOLDS: Final = HoldList(holds=[HOLD])
RELEASED: Final = Released(hold=HOLD, messages=120)

OVERVIEW: Final = Overview(
    at=DUE,
    version="1.2.3",
    totals=Totals(waiting=1830, waiting_capped=False, due=30, processing=200, in_flight=64, flow=_FLOW),
    channels=[ChannelOverview(name="sms", flow=_FLOW)],
    queues_left_out=0,
    queues=[
        QueueOverview(
            name=DEFAULT_QUEUE,
            active=True,
            interval_seconds=0,
            batch_size=None,
            last_claimed_at=None,
            next_tick_at=None,
            waiting=30,
            waiting_capped=False,
            due=30,
            processing=200,
            flow=_FLOW,
        ),
        QueueOverview(
            name="newsletter",
            active=True,
            interval_seconds=120,
            batch_size=2,
            last_claimed_at=CREATED,
            next_tick_at=CREATED + timedelta(seconds=120),
            waiting=1800,
            waiting_capped=False,
            due=0,
            processing=0,
            flow=None,
        ),
    ],
    consumers=[
        ConsumerOverview(
            name="consumer-1",
            health=Health.WELL,
            host="worker-7f9c",
            version="1.4.2",
            started_at=CREATED,
            reported_at=DUE,
            in_flight=64,
            in_flight_limit=512,
            waiting=0,
            open_batches=2,
            outcomes_waiting=11,
            accepting=True,
            breakers=[BreakerReport(destination="webhook example.com", state="open", seconds=7.5)],
            rates=[RateReport(destination="webhook https://example.org/orders", rate=4.85)],
        )
    ],
    held=HeldReport(messages=[Held(HeldReason.ENDPOINT_DISABLED, 120, 840.0)], holds=[HOLD]),
    checks={"postgres": "ok", "schema": "ok", "redis": "ok", "producer": "ok", "consumers": "ok", "claims": "ok"},
    history=History(
        step_seconds=5,
        at=[int(DUE.timestamp()) - 5, int(DUE.timestamp())],
        sent=[2063, 2051],
        failed=[2, 0],
        cancelled=[0, 0],
        in_flight=[64, 61],
        waiting=[1842, 1830],
        due=[42, 30],
        lateness_p50=[0.012, 0.013],
        lateness_p99=[0.048, 0.052],
        duration_p50=[0.021, 0.02],
        duration_p99=[0.19, 0.2],
        channels={"sms": _COUNTS},
        queues={DEFAULT_QUEUE: _COUNTS},
    ),
)

QUOTA: Final = QuotaAnswer.of(
    Quota(per_second=50, per_day=100_000, waiting=10_000, waiting_bytes=64 * 1024**2),
    Use(per_day=1_250, waiting=40, waiting_bytes=7_300),
)
