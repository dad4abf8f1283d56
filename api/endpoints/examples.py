"""Examples of endpoints, for the document."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from api.endpoints.schemas import (
    Customer,
    Deleted,
    Enabled,
    EndpointAnswer,
    EndpointDetail,
    EndpointList,
    EndpointSecret,
    EventTrialAnswer,
    Replayed,
    TrafficAnswer,
)
from api.events.examples import ENDPOINT_ID, EVENT_ID
from api.openapi.examples import CREATED, DUE, MESSAGE_ID, USER_ID
from api.openapi.operation import Parameter
from tidings.domain.endpoint import DisabledReason
from tidings.domain.retry import RetryDelays

ENDPOINT_PARAMETER: Final = Parameter("endpoint_id", UUID, "The id of an endpoint.", ENDPOINT_ID, "path")
CUSTOMER_PARAMETER: Final = Parameter("customer", Customer, "Those of this customer of yours.", "acme")

_URL: Final = "https://acme.example.com/hooks"
_DELAYS: Final = {"delays": [5, 60, 3600]}
REQUESTS: Final[Mapping[str, Any]] = {
    "of a customer, for all events": {"url": _URL, "customer": "acme"},
    "for some events, with credentials and a pace": {
        "url": _URL,
        "customer": "acme",
        "event_types": ["invoice.*", "customer.deleted"],
        "headers": {"X-Shop": "4"},
        "credentials": {"type": "basic", "username": "tidings", "password": "swordfish"},
        "rate_limit": 20,
        "retry": _DELAYS,
    },
    "of your own, for what tidings itself tells": {"url": _URL, "event_types": ["endpoint.disabled"]},
}
CHANGES: Final[Mapping[str, Any]] = {
    "it has moved": {"url": "https://acme.example.com/v2/hooks"},
    "all types, and no header": {"event_types": None, "headers": {}},
}
SECRETS: Final[Mapping[str, Any]] = {"one that is made": {}}
TRIALS: Final[Mapping[str, Any]] = {
    "a test": {},
    "one of your own": {"type": "invoice.paid", "payload": {"invoice": 1}},
}
SPANS: Final[Mapping[str, Any]] = {"since a morning": {"since": "2030-01-31T08:00:00Z"}}
REPLAYS: Final[Mapping[str, Any]] = {
    "an hour, also what was sent": {"since": "2030-01-31T08:00:00Z", "until": "2030-01-31T09:00:00Z"},
    "what was cancelled": {"since": "2030-01-31T08:00:00Z", "which": "failed"},
}

ENDPOINT: Final = EndpointAnswer(
    id=ENDPOINT_ID,
    user_id=USER_ID,
    url=_URL,
    description="",
    customer="acme",
    event_types=["invoice.*"],
    channels=None,
    headers={"X-Shop": "…"},
    credentials="basic",
    has_client_certificate=False,
    rate_limit=20,
    retry=RetryDelays(delays=(5.0, 60.0, 3600.0)),
    max_tries=None,
    previous_secret_until=None,
    disabled_at=None,
    disabled_reason=None,
    failing_since=None,
    last_failed_at=None,
    last_error=None,
    created_at=CREATED,
    updated_at=CREATED,
)
_VALUES: Final = msgspec.structs.asdict(ENDPOINT)
ENDPOINTS: Final = EndpointList(endpoints=[ENDPOINT], next_cursor=None)
DETAIL: Final = EndpointDetail(
    **_VALUES,
    traffic=TrafficAnswer(
        waiting=3,
        held=0,
        sent=997,
        failed=3,
        cancelled=0,
        success_rate=0.997,
        last_sent_at=DUE,
    ),
)
SECRET: Final = EndpointSecret(**_VALUES, secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")  # noqa: S106
DISABLED: Final = msgspec.structs.replace(ENDPOINT, disabled_at=DUE, disabled_reason=DisabledReason.REQUESTED)
ENABLED: Final = Enabled(**_VALUES, messages=12)
DELETED: Final = Deleted(endpoint=ENDPOINT, cancelled=3)
TRIAL: Final = EventTrialAnswer(event_id=EVENT_ID, message_id=MESSAGE_ID)
REPLAYED: Final = Replayed(messages=412, next_cursor=None)
