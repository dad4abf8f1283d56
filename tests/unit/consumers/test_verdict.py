"""consumers/verdict.py: what a result speaks of is what it holds up."""

import msgspec
import pytest

from consumers import limiter as module
from consumers.breaker import Breaker, BreakerState
from consumers.capacity import Limits
from consumers.destination import Entry
from consumers.limiter import DestinationLimiter
from consumers.verdict import Changes, of_account, reason_of, settle
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.recipient import EndpointKey
from tidings.domain.ids import new_id
from tidings.domain.states import HeldReason

ADA, BOB = new_id(), new_id()
BAD = EndpointKey("webhook https://host/bad", ADA)
GOOD = EndpointKey("webhook https://host/good", ADA)
BOBS = EndpointKey("webhook https://host/bad", BOB)
FAILED = Retry(error="HTTP 503", status_code=503)
SILENT = Retry(error="timed out after 15 s", unanswered=True)


class Bench:
    """A limiter whose deliveries end with the result that the test says; breakers open after three failures."""

    def __init__(self, *, per_destination: int = 4) -> None:
        self.now = 100.0
        self.going: list[Entry[str]] = []
        self.back: dict[str, float] = {}
        self.limiter: DestinationLimiter[str] = DestinationLimiter(
            self.going.append,
            self.back.__setitem__,
            limits=Limits(in_flight=50, slow=50, per_destination=per_destination, held_bytes=1_000_000),
            breaker=lambda: Breaker(failures=3, open_seconds=10),
            clock=lambda: self.now,
        )

    def enter(self, endpoint: EndpointKey, name: str = "m") -> float | None:
        return self.limiter.enter("webhook host", name, endpoint=endpoint)

    def end(self, result: Result, of: EndpointKey | None = None) -> Changes:
        index = next(n for n, entry in enumerate(self.going) if of in {None, entry.endpoint.key})
        entry = self.going.pop(index)
        changes = settle(self.limiter, entry.endpoint, result, began=self.now, now=self.now)
        self.limiter.leave(entry)
        return changes

    def attempt(self, endpoint: EndpointKey, result: Result, times: int = 3) -> None:
        for _ in range(times):
            assert self.enter(endpoint) is None
            self.end(result, of=endpoint)

    @property
    def breakers(self) -> dict[tuple[str, object], BreakerState]:
        return {(each.name, each.user_id): each.state for each in self.limiter.breakers()}


async def test_a_dead_path_stops_neither_the_other_paths_of_its_host_nor_other_users() -> None:
    bench = Bench()
    bench.attempt(BAD, FAILED)
    assert bench.breakers == {BAD: BreakerState.OPEN}
    assert bench.enter(BAD) == pytest.approx(10)
    assert (bench.enter(GOOD), bench.enter(BOBS)) == (None, None)


async def test_the_line_is_sent_back_of_the_endpoint_that_opens_alone() -> None:
    bench = Bench(per_destination=3)
    for n in range(5):
        bench.enter(BAD, f"bad{n}")
        bench.enter(GOOD, f"good{n}")
    while not bench.back:
        bench.end(FAILED, of=BAD) if any(each.endpoint.key == BAD for each in bench.going) else bench.end(Accepted())
    assert bench.back
    assert all(name.startswith("bad") for name in bench.back)
    while bench.going:
        bench.end(Accepted())
    assert (bench.limiter.in_flight, bench.limiter.waiting) == (0, 0)


async def test_what_concerns_the_host_stops_all_its_endpoints_until_any_of_them_succeeds() -> None:
    bench = Bench()
    bench.attempt(BAD, Retry(error="no connection", about=About.HOST))
    assert bench.breakers == {("webhook host", None): BreakerState.OPEN}
    assert bench.enter(BOBS) == pytest.approx(10)
    bench.now += 10
    assert bench.enter(GOOD) is None
    # One probes.
    assert bench.enter(BOBS) is not None
    assert bench.end(Accepted()) == Changes(None, False)
    assert bench.breakers == {}
    assert bench.enter(BOBS) is None


async def test_an_answer_shows_that_the_host_works() -> None:
    bench = Bench()
    for _ in range(4):
        bench.attempt(GOOD, Retry(error="no connection", about=About.HOST), times=2)
        bench.attempt(BOBS, FAILED, times=1)
        bench.attempt(BOBS, Accepted(), times=1)
    assert bench.breakers == {}


async def test_a_path_that_hangs_stops_neither_the_other_paths_of_its_host_nor_other_users() -> None:
    bench = Bench()
    bench.attempt(BAD, SILENT)
    for _ in range(5):
        # One known to hang says nothing new with each probe.
        bench.now += 100
        bench.attempt(BAD, SILENT, times=1)
    assert bench.breakers == {BAD: BreakerState.OPEN}
    assert (bench.enter(GOOD), bench.enter(BOBS)) == (None, None)


async def test_a_host_where_path_after_path_hangs_is_stopped_and_any_answer_clears_it() -> None:
    bench = Bench()
    for n in range(2):
        bench.attempt(EndpointKey(f"silent{n}"), SILENT)
    bench.attempt(GOOD, FAILED, times=1)
    for n in range(2, 5):
        assert ("webhook host", None) not in bench.breakers
        bench.attempt(EndpointKey(f"silent{n}"), SILENT)
    assert bench.breakers["webhook host", None] is BreakerState.OPEN
    assert bench.enter(GOOD) is not None
    bench.now += 10
    # Its probe is the message of an endpoint that has not hung: another one that does stops the host again.
    bench.attempt(EndpointKey("silent5"), SILENT, times=1)
    assert bench.breakers["webhook host", None] is BreakerState.OPEN
    bench.now += 20
    bench.attempt(GOOD, FAILED, times=1)
    assert ("webhook host", None) not in bench.breakers


async def test_a_path_known_to_hang_that_probes_its_host_lets_another_probe() -> None:
    bench = Bench()
    bench.attempt(BAD, SILENT)
    # That BAD hangs is the first failure of the host.
    bench.attempt(GOOD, Retry(error="no connection", about=About.HOST), times=2)
    bench.now += 10
    bench.attempt(BAD, SILENT, times=1)
    assert bench.breakers["webhook host", None] is BreakerState.HALF_OPEN
    bench.attempt(GOOD, Accepted(), times=1)
    assert bench.breakers == {BAD: BreakerState.OPEN}


@pytest.mark.parametrize("about", [About.MESSAGE, About.OURSELVES])
async def test_what_speaks_of_neither_opens_no_breaker(about: About) -> None:
    bench = Bench()
    bench.attempt(BAD, Retry(error="e", about=about), times=9)
    assert bench.breakers == {}


async def test_the_probe_of_an_endpoint_is_one_of_its_own() -> None:
    bench = Bench()
    bench.attempt(BAD, FAILED)
    bench.now += 10
    bench.attempt(GOOD, Accepted(), times=2)
    assert bench.breakers == {BAD: BreakerState.HALF_OPEN}
    assert bench.enter(BAD) is None
    assert bench.enter(BAD) is not None
    assert bench.enter(GOOD) is None
    assert bench.end(Accepted(), of=BAD) == Changes(False, None)
    assert bench.breakers == {}


@pytest.mark.parametrize(
    "result",
    [
        Retry(error="e", about=About.MESSAGE),
        Retry(error="e", about=About.PACE),
        Retry(error="e", about=About.OURSELVES),
        Rejected(error="e", about=About.ACCOUNT),
    ],
)
async def test_a_probe_that_says_nothing_of_its_endpoint_lets_another_probe(result: Result) -> None:
    bench = Bench()
    bench.attempt(BAD, FAILED)
    bench.now += 10
    bench.attempt(BAD, result, times=1)
    assert bench.breakers == {BAD: BreakerState.HALF_OPEN}
    assert bench.enter(BAD) is None


PACED = Retry(error="HTTP 429", status_code=429, about=About.PACE)


async def test_a_receiver_that_takes_no_more_opens_no_breaker() -> None:
    bench = Bench(per_destination=9)
    bench.attempt(GOOD, Accepted(), times=9)
    for n in range(9):
        bench.enter(BAD, f"m{n}")
    for _ in range(9):
        bench.end(PACED)
    assert bench.breakers == {}
    [paced] = bench.limiter.paces.listed()
    assert (paced.name, paced.user_id) == BAD
    assert bench.limiter.endpoints.keys() == {("webhook host", BAD)}


async def test_one_refusal_slows_nothing_down() -> None:
    bench = Bench(per_destination=9)
    bench.attempt(GOOD, Accepted(), times=9)
    for n in range(18):
        bench.enter(BAD, f"m{n}")
    assert bench.end(msgspec.structs.replace(PACED, delay=3600)) == Changes(None, None, slower=False)
    assert [bench.end(Accepted()).slower for _ in range(17)] == [False] * 17
    assert (bench.back, bench.limiter.paces.listed()) == ({}, [])


async def test_two_refusals_limit_that_endpoint_alone() -> None:
    bench = Bench(per_destination=2)
    bench.attempt(GOOD, Accepted(), times=9)
    for n in range(4):
        bench.enter(BAD, f"bad{n}")
    bench.enter(GOOD, "good")
    assert [bench.end(PACED, of=BAD).slower, bench.end(PACED, of=BAD).slower] == [False, True]
    # The one that had begun goes on; the other waits for the rate, and holds up nobody.
    assert [entry.delivery for entry in bench.going] == ["bad2", "good"]
    assert (bench.limiter.waiting, bench.back) == (1, {})
    bench.enter(BOBS, "bob")
    bench.end(Accepted(), of=GOOD)
    assert [entry.delivery for entry in bench.going] == ["bad2", "bob"]


async def test_what_waits_for_the_rate_is_sent_back_when_the_breaker_opens() -> None:
    bench = Bench(per_destination=5)
    bench.attempt(GOOD, Accepted(), times=9)
    for n in range(6):
        bench.enter(BAD, f"bad{n}")
    bench.end(PACED)
    bench.end(PACED)
    assert bench.limiter.waiting == 0
    bench.enter(BAD, "waits")
    assert (bench.limiter.waiting, bench.back) == (1, {})
    for _ in range(3):
        bench.end(Retry(error="no connection", about=About.HOST))
    assert bench.back == {"waits": pytest.approx(10)}
    assert bench.limiter.waiting == 0


async def test_a_long_pause_sends_everything_back_each_a_bit_later_than_the_last() -> None:
    bench = Bench(per_destination=3)
    bench.attempt(GOOD, Accepted(), times=9)
    for n in range(7):
        bench.enter(BAD, f"bad{n}")
    bench.enter(GOOD, "good")
    bench.end(PACED, of=BAD)
    assert bench.end(msgspec.structs.replace(PACED, delay=300), of=BAD).slower
    sent_back = list(bench.back.values())
    assert len(sent_back) >= 2
    assert sent_back == sorted(sent_back)
    assert 300 <= sent_back[0] < sent_back[-1] < 305
    wait = bench.enter(BAD)
    assert wait is not None
    assert wait > sent_back[-1]
    assert bench.enter(BOBS) is None


async def test_idle_endpoints_are_forgotten_and_those_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDPOINTS_KEPT", 10)
    bench = Bench()
    for n in range(30):
        bench.attempt(EndpointKey(f"well{n}"), Accepted(), times=1)
    assert bench.limiter.endpoints == {}
    bench.attempt(BAD, FAILED)
    for n in range(30):
        bench.attempt(EndpointKey(f"ill{n}"), FAILED, times=1)
        # Refused, but used: it is not the one that is forgotten.
        assert bench.enter(BAD) is not None
    assert len(bench.limiter.endpoints) == 10
    assert bench.breakers == {BAD: BreakerState.OPEN}


HOST_DOWN = Retry(error="no connection", about=About.HOST)
REFUSED_KEY = Retry(error="HTTP 401", about=About.ACCOUNT)
SMS = EndpointKey("sms sms")


@pytest.mark.parametrize(
    ("result", "times", "endpoint", "reason"),
    [
        (FAILED, 3, BAD, HeldReason.BREAKER),
        (HOST_DOWN, 3, BAD, HeldReason.HOST),
        (REFUSED_KEY, 1, BAD, HeldReason.ACCOUNT),
        (REFUSED_KEY, 1, SMS, HeldReason.GATEWAY),
        (Retry(error="429", about=About.PACE, delay=500), 2, BAD, HeldReason.RATE),
    ],
)
async def test_what_is_sent_back_knows_what_it_waits_for(
    result: Result, times: int, endpoint: EndpointKey, reason: HeldReason
) -> None:
    bench = Bench()
    bench.attempt(endpoint, result, times)
    assert bench.enter(endpoint) is not None
    assert reason_of(bench.limiter, "webhook host", endpoint, bench.now) is reason


async def test_an_account_opens_at_once_and_a_probe_that_is_accepted_closes_it() -> None:
    bench = Bench()
    bench.attempt(SMS, REFUSED_KEY, 1)
    assert bench.breakers == {SMS: BreakerState.OPEN}
    bench.now += 10
    bench.attempt(SMS, REFUSED_KEY, 1)
    assert bench.enter(SMS) is not None
    bench.now += 20
    bench.attempt(SMS, Accepted(), 1)
    assert bench.breakers == {}
    # Three failures in a row again, no longer the first one.
    bench.attempt(SMS, FAILED, 2)
    assert bench.breakers == {}
    bench.attempt(SMS, FAILED, 1)
    assert reason_of(bench.limiter, "webhook host", SMS, bench.now) is HeldReason.BREAKER


async def test_what_nothing_holds_up_waits_for_room() -> None:
    assert reason_of(Bench().limiter, "webhook host", GOOD, 0) is HeldReason.ROOM


async def test_a_hold_sends_back_what_is_in_line_there() -> None:
    bench = Bench(per_destination=1)
    for n in range(3):
        bench.enter(BAD, f"bad{n}")
    bench.enter(GOOD, "good")
    bench.end(Rejected(error="HTTP 410 Gone", holds=True))
    assert sorted(bench.back) == ["bad1", "bad2"]
    assert [entry.delivery for entry in bench.going] == ["good"]


def test_an_account_is_its_users_or_the_operators() -> None:
    assert (of_account(BAD), of_account(SMS)) == (HeldReason.ACCOUNT, HeldReason.GATEWAY)


async def test_a_refused_account_opens_its_breaker_at_once_even_where_the_attempt_is_of_unknown_outcome() -> None:
    bench = Bench()
    bench.attempt(BAD, Retry(error="refused", about=About.ACCOUNT, unanswered=True), times=1)
    assert bench.breakers == {BAD: BreakerState.OPEN}
