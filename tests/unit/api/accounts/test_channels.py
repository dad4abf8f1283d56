"""api/accounts/channels.py"""

import msgspec

from api.accounts.channels import usable_channels
from tests.unit.api.accounts.test_tokens import USER
from tidings.domain.account import ApiKey, Role
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now

DEFAULTS = ("email", "webhook")
KEY = ApiKey(
    id=new_id(),
    user_id=USER.id,
    name="ci",
    prefix="tdg_0",
    hash=bytes(32),
    channels=None,
    created_at=utc_now(),
    last_used_at=None,
    revoked_at=None,
)
ADMIN = msgspec.structs.replace(USER, role=Role.ADMIN)


def test_a_user_has_the_usual_ones_and_an_admin_all() -> None:
    assert usable_channels(USER, DEFAULTS) == frozenset({"email", "webhook"})
    assert usable_channels(USER, DEFAULTS, KEY) == frozenset({"email", "webhook"})
    assert usable_channels(ADMIN, DEFAULTS) is None


def test_their_own_take_the_place_of_those() -> None:
    for user in (USER, ADMIN):
        assert usable_channels(msgspec.structs.replace(user, channels=("sms",)), DEFAULTS, KEY) == frozenset({"sms"})
        assert usable_channels(msgspec.structs.replace(user, channels=()), DEFAULTS) == frozenset()


def test_a_keys_own_take_the_place_of_its_users() -> None:
    key = msgspec.structs.replace(KEY, channels=("echo",))
    for user in (USER, ADMIN, msgspec.structs.replace(USER, channels=("sms",))):
        assert usable_channels(user, DEFAULTS, key) == frozenset({"echo"})
