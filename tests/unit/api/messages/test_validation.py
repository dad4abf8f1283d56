"""api/messages/validation.py and api/messages/schemas.py"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.body import fault_of
from api.http.principal import OPERATOR, Principal
from api.http.problems import InvalidError
from api.messages.schemas import MessageAnswer, MessageRequest
from api.messages.validation import to_message
from tidings.domain.account import Role
from tidings.domain.ids import new_id
from tidings.domain.message import NewMessage, Priority
from tidings.domain.retry import EMAIL_DELAYS, SMS_DELAYS, WEBHOOK_DELAYS, Delays, RetryDefaults
from tidings.domain.timestamps import utc_now
from tidings.domain.turns import share_of

VALID: dict[str, Any] = {"channel": "sms", "recipient": "+905551111111", "content": "Hello"}


QUEUES: dict[str, Delays | None] = {"default": None, "night": None, "patient": (60.0, 3600.0)}


NONE = RetryDefaults()


def check(**changes: Any) -> NewMessage:
    return check_with(NONE, changes)


def check_with(retries: RetryDefaults, changes: dict[str, Any]) -> NewMessage:
    request = msgspec.json.decode(msgspec.json.encode({**VALID, **changes}), type=MessageRequest)
    return to_message(request, queues=QUEUES, retries=retries, principal=OPERATOR)


def test_defaults() -> None:
    before = utc_now()
    message = check()
    assert before - timedelta(milliseconds=1) <= message.created_at <= utc_now()
    assert message.due_at == message.created_at
    assert (message.queue, message.priority, message.max_tries) == ("default", Priority.NORMAL, 5)
    assert (message.subject, message.headers, message.expires_at) == (None, None, None)


def test_the_id_tells_when_the_message_was_created() -> None:
    message = check()
    assert message.id.version == 7
    assert message.created_at == datetime.fromtimestamp((message.id.int >> 80) / 1000, UTC)


def test_everything_given() -> None:
    due_at = utc_now().replace(microsecond=0) + timedelta(hours=1)
    message = check(
        recipient=" +90 555 111 11 11 ",
        subject="Greeting",
        headers={"X-Trace": "abc"},
        queue="night",
        priority="high",
        due_at=due_at.timestamp(),
        expires_at=(due_at + timedelta(minutes=1)).isoformat(),
        max_tries=100,
    )
    assert message.recipient == "+905551111111"
    assert (message.due_at, message.expires_at) == (due_at, due_at + timedelta(minutes=1))
    assert (message.queue, message.priority, message.max_tries) == ("night", Priority.HIGH, 100)


@pytest.mark.parametrize(("given", "kept"), [("low", Priority.LOW), (0, Priority.HIGH), (2, Priority.LOW)])
def test_priorities_have_names_and_numbers(given: object, kept: Priority) -> None:
    assert check(priority=given).priority is kept


def test_a_past_due_time_is_now() -> None:
    message = check(due_at="2020-01-01T00:00:00Z")
    assert message.due_at == message.created_at


USER = Principal(user_id=new_id(), role=Role.USER, channels=None)
TRUSTED = msgspec.structs.replace(USER, prioritizes=True)


def check_for(principal: Principal, **changes: Any) -> NewMessage:
    request = msgspec.convert({**VALID, **changes}, MessageRequest)
    return to_message(request, queues=QUEUES, retries=NONE, principal=principal)


@pytest.mark.parametrize(("field", "value"), [("priority", "high"), ("priority", 0), ("fairness_key", "customer 1")])
def test_to_go_before_others_is_a_right(field: str, value: object) -> None:
    with pytest.raises(InvalidError) as refused:
        check_for(USER, **{field: value})
    assert [fault.field for fault in refused.value.errors] == [field]
    check_for(TRUSTED, **{field: value})
    check_for(OPERATOR, **{field: value})


def test_a_message_takes_its_users_turn_or_that_of_its_key() -> None:
    assert check_for(USER).share == share_of(USER.user_id)
    keys = [check_for(TRUSTED, fairness_key=key).share for key in ("a", "b", "a")]
    assert keys[0] == keys[2]
    assert len({*keys, check_for(TRUSTED).share, check_for(OPERATOR).share}) == 4
    assert check_for(OPERATOR).share == 0
    with pytest.raises(msgspec.ValidationError):
        check_for(OPERATOR, fairness_key="x" * 129)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", "pigeon"),
        ("recipient", "somebody"),
        ("content", "a\0b"),
        ("subject", "two\nlines"),
        ("subject", "a\rb"),
        ("headers", {"two words": "x"}),
        ("headers", {"X": "a\r\nHost: evil"}),
        ("queue", "nowhere"),
        ("priority", "urgent"),
        ("priority", 3),
        ("priority", "0"),
        ("due_at", "2030-01-01T00:00:00"),
        ("due_at", "soon"),
        ("due_at", 4102444800),
        ("due_at", 2030),
        ("expires_at", "soon"),
        ("expires_at", "2020-01-01T00:00:00Z"),
    ],
)
def test_each_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidError) as raised:
        check(**{field: value})
    assert [fault.field for fault in raised.value.errors] == [field]
    assert raised.value.detail.startswith(field)


def test_all_wrong_fields_are_named() -> None:
    with pytest.raises(InvalidError) as raised:
        check(recipient="x", priority="y", queue="z")
    assert {fault.field for fault in raised.value.errors} == {"recipient", "priority", "queue"}
    assert raised.value.detail.endswith("(and 2 more)")


def test_it_must_not_expire_before_it_is_due() -> None:
    with pytest.raises(InvalidError, match="expires_at must be in the future, and after due_at"):
        check(
            due_at=(utc_now() + timedelta(hours=2)).isoformat(), expires_at=(utc_now() + timedelta(hours=1)).isoformat()
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", 1),
        ("recipient", None),
        ("content", ""),
        ("content", ["x"]),
        ("subject", "x" * 999),
        ("headers", ["x"]),
        ("headers", {"x": 1}),
        ("headers", {"x" * 129: "x"}),
        ("headers", {"": "x"}),
        ("headers", {"x": "x" * 4097}),
        ("headers", {f"x{number}": "x" for number in range(51)}),
        ("queue", None),
        ("priority", 1.5),
        ("due_at", True),
        ("expires_at", {}),
        ("retry", {}),
        ("retry", {"delays": []}),
        ("retry", {"delays": [1] * 26}),
        ("retry", {"delays": [-1]}),
        ("retry", {"delays": [7 * 86_400 + 1]}),
        ("retry", {"delays": ["5"]}),
        ("retry", {"delays": [5], "jitter": 1}),
        ("max_tries", 0),
        ("max_tries", 101),
        ("max_tries", "5"),
        ("colour", "red"),
    ],
)
def test_what_the_types_refuse_is_named_too(field: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        check(**{field: value})
    fault = fault_of(raised.value)
    assert (fault.field or "").partition(".")[0] == field
    assert "$" not in fault.detail
    assert "`" not in fault.detail


@pytest.mark.parametrize("field", sorted(VALID.keys() - {"content"}))
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert({name: value for name, value in VALID.items() if name != field}, MessageRequest)
    assert fault_of(raised.value).field == field
    assert fault_of(raised.value).detail == "is missing"


def test_a_body_of_another_kind_names_no_field() -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(b"[]", type=MessageRequest)
    assert fault_of(raised.value).field is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(MessageRequest.__struct_fields__, anything)))
def test_whatever_is_sent_is_taken_or_refused_by_name(changes: dict[str, Any]) -> None:
    named: set[str | None] = set()
    try:
        message = check(**changes)
    except InvalidError as error:
        named = {fault.field for fault in error.errors}
    except msgspec.ValidationError as error:
        named = {fault_of(error).field}
    else:
        assert "\0" not in message.content
        assert message.expires_at is None or message.expires_at > message.due_at
    assert named <= changes.keys()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_text_is_answered_as_it_came(content: str) -> None:
    answer = msgspec.json.decode(msgspec.json.encode(MessageAnswer.of(check(content=content), RetryDefaults())))
    assert answer["content"] == content
    assert answer["created_at"].endswith("Z")


WEBHOOK = {"channel": "webhook", "recipient": "https://example.com/"}
EMAIL = {"channel": "email", "recipient": "ida@example.com"}
ECHO = {"channel": "echo", "recipient": "log"}


@pytest.mark.parametrize(
    ("given", "delays"),
    [({}, SMS_DELAYS), (WEBHOOK, WEBHOOK_DELAYS), (EMAIL, EMAIL_DELAYS), (ECHO, (5, 30, 120, 600))],
)
def test_each_channel_has_its_own_retries(given: dict[str, Any], delays: Delays) -> None:
    message = check(**given)
    assert (message.max_tries, message.retry_delays) == (len(delays) + 1, None)
    assert MessageAnswer.of(message, RetryDefaults()).retry.delays == tuple(delays)


def test_the_channels_retries_last_as_long_as_they_say() -> None:
    hour = 3600
    assert sum(WEBHOOK_DELAYS) == 5 + 300 + 1800 + 27 * hour
    assert sum(SMS_DELAYS) == pytest.approx(hour, rel=0.01)
    assert sum(EMAIL_DELAYS) == pytest.approx(96 * hour, rel=0.01)
    # The least that the jitter leaves of three attempts, as the mail queue of old has them, passes five minutes.
    assert 0.8 * sum(EMAIL_DELAYS[:2]) > 300


@pytest.mark.parametrize(
    ("given", "retries", "tries", "delays"),
    [
        # The message's own, its queue's, the settings', in this order.
        ({"retry": {"delays": [1, 2.5]}, "queue": "patient"}, RetryDefaults(delays=(9,), max_tries=9), 3, (1, 2.5)),
        ({"retry": {"delays": [1, 2]}, "max_tries": 7}, RetryDefaults(), 7, (1, 2)),
        ({"queue": "patient"}, RetryDefaults(delays=(9,), max_tries=9), 3, (60, 3600)),
        ({"queue": "patient", "max_tries": 2}, RetryDefaults(), 2, (60,)),
        ({"retry": None, "queue": "patient"}, RetryDefaults(), 3, (60, 3600)),
        (WEBHOOK, RetryDefaults(delays=(9,), max_tries=9), 9, (9,)),
        (WEBHOOK, RetryDefaults(delays=(9,)), 5, (9,)),
        (WEBHOOK, RetryDefaults(delays=(1, 2, 3, 4, 5, 6)), 7, (1, 2, 3, 4, 5, 6)),
        (WEBHOOK, RetryDefaults(max_tries=3), 3, (5, 300)),
        ({**WEBHOOK, "max_tries": 1}, RetryDefaults(), 1, (5,)),
    ],
)
def test_retries_of_message_queue_and_settings(
    given: dict[str, Any], retries: RetryDefaults, tries: int, delays: Delays
) -> None:
    message = check_with(retries, given)
    assert message.max_tries == tries
    assert MessageAnswer.of(message, retries).retry.delays == delays


def test_a_request_without_retries_keeps_the_fingerprint_that_it_had_before_there_were_any() -> None:
    request = msgspec.convert(VALID, MessageRequest)
    assert b"retry" not in msgspec.json.encode(request, order="deterministic")
