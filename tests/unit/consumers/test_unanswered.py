"""An attempt that got no answer makes the next one a possible duplicate."""

from datetime import timedelta

import pytest

from consumers import outcomes
from tests.factories import new_delivery
from tests.unit.channels.doubles import answer, context
from tidings.channels.base import About, Retry
from tidings.channels.http.transport import TransportError
from tidings.channels.sms.channel import SmsChannel
from tidings.channels.webhook.channel import WebhookChannel
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

URL = "https://example.com/hook"


def conclude(delivery: Delivery, result: Retry) -> Outcome:
    return outcomes.conclude(
        delivery,
        result,
        policy=RetryPolicy(delays=(60.0,), jitter=0.0),
        consumer="c",
        started_at=utc_now(),
        duration=0.1,
    )


@pytest.mark.parametrize(("unanswered", "about"), [(True, About.ENDPOINT), (False, About.HOST)])
async def test_channels_tell_what_the_transport_tells(unanswered: bool, about: About) -> None:
    error = TransportError("closed without an answer", unanswered=unanswered)
    for_webhook, _ = context(error)
    for_sms, _ = context(error, webhook_url=URL)
    expected = Retry(error="closed without an answer", unanswered=unanswered, about=about)
    assert await WebhookChannel(for_webhook).deliver(new_delivery(channel="webhook", recipient=URL)) == expected
    assert await SmsChannel(for_sms).deliver(new_delivery(channel="sms", recipient="+905551111111")) == expected


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.FAILED),
        ({"tries": 4, "max_tries": 5}, Status.CANCELLED),
        ({"expires_at": utc_now() + timedelta(seconds=30)}, Status.FAILED),
    ],
)
def test_every_way_on_from_there_remembers_it(changes: dict[str, object], status: Status) -> None:
    outcome = conclude(new_delivery(**changes), Retry(error="cut", unanswered=True))
    assert (outcome.status, outcome.unanswered) == (status, True)
    assert not conclude(new_delivery(**changes), Retry(error="503")).unanswered


async def test_the_next_try_says_so() -> None:
    channel_context, transport = context(answer(200))
    channel = WebhookChannel(channel_context)
    await channel.deliver(new_delivery(channel="webhook", recipient=URL, tries=1))
    await channel.deliver(new_delivery(channel="webhook", recipient=URL, tries=1, unanswered=True))
    first, second = transport.requests
    assert "tidings-possible-duplicate" not in first.headers
    assert second.headers["tidings-possible-duplicate"] == "true"


@pytest.mark.parametrize("about", [About.MESSAGE, About.ACCOUNT, About.PACE])
def test_a_doubt_stays_until_it_is_settled(about: About) -> None:
    # What was due before a failover is in doubt by its due time, which a retry moves.
    doubtful = new_delivery(unanswered=True)
    assert conclude(doubtful, Retry(error="503", about=about)).unanswered
    assert outcomes.returned(doubtful, due_at=doubtful.due_at).unanswered
