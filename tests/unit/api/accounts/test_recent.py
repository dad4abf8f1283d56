"""api/accounts/recent.py"""

from api.accounts.recent import Recent
from tests.clock import Clock


def test_an_entry_is_forgotten_after_its_life() -> None:
    clock = Clock(100.0)
    recent: Recent[str, int] = Recent(life=5, most=10, clock=clock)
    recent.put("a", 1)
    assert (recent.get("a"), recent.get("b")) == (1, None)
    clock.now += 4.9
    assert recent.get("a") == 1
    clock.now += 0.1
    assert recent.get("a") is None


def test_reading_does_not_lengthen_its_life() -> None:
    clock = Clock(100.0)
    recent: Recent[str, int] = Recent(life=5, most=10, clock=clock)
    recent.put("a", 1)
    for _ in range(5):
        clock.now += 1
        recent.get("a")
    assert recent.get("a") is None


def test_the_oldest_goes_where_there_are_too_many() -> None:
    recent: Recent[int, int] = Recent(life=5, most=3)
    for number in (1, 2, 3, 1, 4):
        recent.put(number, number)
    assert [recent.get(number) for number in (1, 2, 3, 4)] == [1, None, 3, 4]


def test_what_is_forgotten_is_gone() -> None:
    recent: Recent[str, int] = Recent(life=5, most=3)
    recent.put("a", 1)
    recent.forget("a")
    recent.forget("never there")
    assert recent.get("a") is None


async def test_what_is_forgotten_while_it_is_loaded_is_loaded_again() -> None:
    recent: Recent[str, int] = Recent(life=5, most=3)

    async def load(_key: str) -> int:
        recent.forget("a")
        return 1

    assert await recent.get_or("a", load) == 1
    assert recent.get("a") is None
