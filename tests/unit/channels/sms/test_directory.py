"""tidings/channels/sms/directory.py, and the rules of tidings/domain/gateway.py"""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.unit.channels.doubles import delivery
from tidings.channels.sms.directory import GatewayDirectory
from tidings.domain.gateway import Gateway
from tidings.domain.ids import new_id

ADA, BOB = UUID(int=1), UUID(int=2)
GERMAN = "+491712345678"


def gateway(name: str, **changes: Any) -> Gateway:
    return Gateway(id=UUID(int=sum(map(ord, name))), name=name, **changes)


def all_can_go(_: Gateway) -> bool:
    return True


def but(*names: str) -> Callable[[Gateway], bool]:
    """All but these, which are held."""
    return lambda each: each.name not in names


def chosen(directory: GatewayDirectory, can_go: Callable[[Gateway], bool] = all_can_go, **changes: Any) -> str | None:
    found = directory.choose(delivery(**{"recipient": GERMAN, **changes}), can_go)
    return None if found is None else found.key


def test_without_any_the_default_takes_it() -> None:
    assert chosen(GatewayDirectory()) is None


@pytest.mark.parametrize(
    ("recipient", "name"),
    [(GERMAN, "germany"), ("+4915112345678", "mobile"), ("+436641234567", "rest"), ("70070", "codes")],
)
def test_the_longest_prefix_takes_it(recipient: str, name: str) -> None:
    directory = GatewayDirectory(
        [
            gateway("rest"),
            gateway("germany", prefixes=("+49",)),
            gateway("mobile", prefixes=("+43660", "+49151")),
            gateway("codes", prefixes=("+1",), short_codes=True),
        ]
    )
    assert chosen(directory, recipient=recipient) == name


def test_one_for_no_such_number_takes_none() -> None:
    assert chosen(GatewayDirectory([gateway("austria", prefixes=("+43",))])) is None
    assert chosen(GatewayDirectory([gateway("numbers")]), recipient="70070") is None


def test_own_ones_come_before_the_operators() -> None:
    directory = GatewayDirectory([gateway("shared", prefixes=("+49",)), gateway("own", user_id=ADA)])
    assert chosen(directory, user_id=ADA) == "me/own"
    assert chosen(directory, user_id=BOB) == "shared"
    assert chosen(directory, user_id=None) == "shared"


def test_nobody_elses_is_used() -> None:
    directory = GatewayDirectory([gateway("own", user_id=ADA), gateway("for-ada", users=(ADA,))])
    assert chosen(directory, user_id=BOB) is None
    assert chosen(directory, user_id=BOB, account="own") is None
    assert chosen(directory, user_id=BOB, account="me/own") is None
    assert chosen(directory, user_id=ADA, account="for-ada") == "for-ada"


def test_a_disabled_one_takes_nothing() -> None:
    assert chosen(GatewayDirectory([gateway("off", enabled=False)])) is None


def test_weights_share_the_messages() -> None:
    directory = GatewayDirectory([gateway("one", weight=1), gateway("three", weight=3), gateway("last", weight=0)])
    taken = Counter(chosen(directory, id=new_id()) for _ in range(4000))
    assert set(taken) == {"one", "three"}
    assert 2750 < taken["three"] < 3250


def test_the_same_message_goes_the_same_way() -> None:
    directory = GatewayDirectory([gateway("one"), gateway("two")])
    assert len({chosen(directory) for _ in range(100)}) == 1


def test_a_held_one_is_passed_over() -> None:
    directory = GatewayDirectory([gateway("first", prefixes=("+49",)), gateway("second"), gateway("last", weight=0)])
    assert chosen(directory) == "first"
    assert chosen(directory, but("first")) == "second"
    assert chosen(directory, but("first", "second")) == "last"
    # All are held: it waits for the one that it would go by.
    assert chosen(directory, but("first", "second", "last")) == "first"


TWO = GatewayDirectory([gateway("first", prefixes=("+49",)), gateway("second")])
ALLOWING = GatewayDirectory([gateway("first", prefixes=("+49",), allows_duplicates=True), gateway("second")])


@pytest.mark.parametrize(
    ("directory", "changes", "name"),
    [
        # Without an answer the one that had it may have sent it: it waits for that one.
        (TWO, {"unanswered": True, "gateway": "first"}, "first"),
        (TWO, {"unanswered": True, "gateway": "second"}, "second"),
        (ALLOWING, {"unanswered": True, "gateway": "first"}, "second"),
        # An answer that was a failure says that it was not sent.
        (TWO, {"tries": 1, "gateway": "first"}, "second"),
        # Lost with its consumer.
        (TWO, {"recoveries": 1}, "first"),
        (ALLOWING, {"recoveries": 1}, "second"),
        (TWO, {"recoveries": 1, "gateway": "second"}, "second"),
    ],
)
def test_what_may_have_been_sent(directory: GatewayDirectory, changes: dict[str, Any], name: str) -> None:
    assert chosen(directory, but("first"), **changes) == name


def test_one_that_had_it_and_is_gone_is_waited_for() -> None:
    assert chosen(TWO, unanswered=True, gateway="gone") is None


def test_a_sender_is_the_gateways() -> None:
    directory = GatewayDirectory([gateway("shop", senders=("SHOP",)), gateway("bank", senders=("+4930", "BANK"))])
    assert chosen(directory, sender="BANK") == "bank"
    assert chosen(directory, sender="EVIL") is None
    assert directory.of(None)[1].sender_of(None) == "+4930"


def test_no_representation_shows_a_credential() -> None:
    assert "s3cret" not in repr(gateway("one", clear={"auth_token": "s3cret"}))
