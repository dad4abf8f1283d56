"""An explanation as it is answered."""

from datetime import timedelta
from typing import Final

from api.explain.schemas import Explanation, Facts, LastTry, Next, Reason
from api.openapi.examples import CREATED, DUE
from tidings.domain.message import DEFAULT_QUEUE
from tidings.domain.states import Status

_AGAIN: Final = DUE + timedelta(seconds=30)

EXPLANATION: Final = Explanation(
    reason=Reason.RETRYING,
    summary="Try 1 of 5 failed because of: 503 Service Unavailable. It is tried again at 2030-01-31 09:00:30 UTC.",
    next=Next(what="Try 2 of 5.", at=_AGAIN),
    facts=Facts(
        status=Status.FAILED,
        queue=DEFAULT_QUEUE,
        queue_active=True,
        channel="sms",
        destination="sms sms",
        due_at=_AGAIN,
        expires_at=None,
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
