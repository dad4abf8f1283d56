"""api/http/principal.py"""

from uuid import uuid4

import pytest

from api.http.principal import OPERATOR, Principal
from tidings.domain.account import Role

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
