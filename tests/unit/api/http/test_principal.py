"""api/http/principal.py"""

from uuid import uuid4

import msgspec
import pytest

from api.http.principal import OPERATOR, Principal, Reach, usable_channels
from tests.unit.api.accounts.test_tokens import USER as STORED_USER
from tidings.domain.account import Role
from tidings.domain.api_key import ApiKey
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now

ME, OTHER = uuid4(), uuid4()
USER = Principal(user_id=ME, role=Role.USER, channels=frozenset({"email"}))
ADMIN = Principal(user_id=ME, role=Role.ADMIN, channels=None)


def test_a_user_sees_what_is_theirs() -> None:
    assert [USER.may_see(owner) for owner in (ME, OTHER, None)] == [True, False, False]
    assert USER.reach == Reach(ME)


@pytest.mark.parametrize("principal", [ADMIN, OPERATOR])
def test_an_admin_sees_everything(principal: Principal) -> None:
    assert all(principal.may_see(owner) for owner in (ME, OTHER, None))
    assert principal.reach == Reach(None)


def test_channels() -> None:
    assert [USER.may_use(channel) for channel in ("email", "sms")] == [True, False]
    assert ADMIN.may_use("sms")


def test_nobody_in_particular_is_the_operator_only() -> None:
    with pytest.raises(ValueError, match="operator"):
        Principal(user_id=None, role=Role.USER, channels=None)


DEFAULTS = ("email", "webhook")
KEY = ApiKey(
    id=new_id(),
    user_id=STORED_USER.id,
    name="ci",
    prefix="tdg_0",
    hash=bytes(32),
    channels=None,
    created_at=utc_now(),
    last_used_at=None,
    revoked_at=None,
)
STORED_ADMIN = msgspec.structs.replace(STORED_USER, role=Role.ADMIN)


def test_a_user_has_the_usual_ones_and_an_admin_all() -> None:
    assert usable_channels(STORED_USER, DEFAULTS) == frozenset({"email", "webhook"})
    assert usable_channels(STORED_USER, DEFAULTS, KEY) == frozenset({"email", "webhook"})
    assert usable_channels(STORED_ADMIN, DEFAULTS) is None


def test_their_own_take_the_place_of_those() -> None:
    for user in (STORED_USER, STORED_ADMIN):
        assert usable_channels(msgspec.structs.replace(user, channels=("sms",)), DEFAULTS, KEY) == frozenset({"sms"})
        assert usable_channels(msgspec.structs.replace(user, channels=()), DEFAULTS) == frozenset()


def test_a_keys_own_take_the_place_of_its_users() -> None:
    key = msgspec.structs.replace(KEY, channels=("echo",))
    for user in (STORED_USER, STORED_ADMIN, msgspec.structs.replace(STORED_USER, channels=("sms",))):
        assert usable_channels(user, DEFAULTS, key) == frozenset({"echo"})


def test_what_a_user_gave_a_key_is_at_most_what_they_have() -> None:
    key = msgspec.structs.replace(KEY, channels=("echo", "email"), granted=False)
    assert usable_channels(STORED_USER, DEFAULTS, key) == frozenset({"email"})
    assert usable_channels(STORED_ADMIN, DEFAULTS, key) == frozenset({"echo", "email"})


@pytest.mark.parametrize(
    ("channels", "queues", "reached"),
    [
        (None, None, [True, True, True, True]),
        (("sms",), None, [True, True, False, False]),
        (None, ("night",), [True, False, True, False]),
        (("sms",), ("night",), [True, False, False, False]),
        ((), None, [False, False, False, False]),
        (None, (), [False, False, False, False]),
    ],
)
def test_a_limited_key_reaches_its_channels_and_queues(
    channels: tuple[str, ...] | None, queues: tuple[str, ...] | None, reached: list[bool]
) -> None:
    key = msgspec.structs.replace(KEY, channels=channels, queues=queues)
    for who in (USER, ADMIN):
        limited = msgspec.structs.replace(who, key=key)
        found = [
            limited.reaches(channel=channel, queue=queue) for channel in ("sms", "email") for queue in ("night", "day")
        ]
        assert found == reached
        assert limited.reaches() is (channels is None and queues is None)
        assert limited.reach == Reach(None if who is ADMIN else ME, channels, queues)
        assert limited.may_use_queue("night") is (queues is None or "night" in queues)
