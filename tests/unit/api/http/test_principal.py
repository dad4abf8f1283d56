"""api/http/principal.py"""

from uuid import uuid4

import msgspec
import pytest

from api.http.principal import OPERATOR, Principal, usable_channels
from tests.unit.api.accounts.test_tokens import USER as STORED_USER
from tidings.domain.account import ApiKey, Role
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now

ME, OTHER = uuid4(), uuid4()
USER = Principal(user_id=ME, role=Role.USER, channels=frozenset({"email"}))
ADMIN = Principal(user_id=ME, role=Role.ADMIN, channels=None)


def test_a_user_sees_what_is_theirs() -> None:
    assert [USER.may_see(owner) for owner in (ME, OTHER, None)] == [True, False, False]
    assert USER.scope == ME


@pytest.mark.parametrize("principal", [ADMIN, OPERATOR])
def test_an_admin_sees_everything(principal: Principal) -> None:
    assert all(principal.may_see(owner) for owner in (ME, OTHER, None))
    assert principal.scope is None


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
