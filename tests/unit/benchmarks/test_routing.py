"""benchmarks/simulation/routing.py"""

from collections import Counter

from benchmarks.simulation.routing import Routing

CELLS = ["a", "b", "c", "d"]
USERS = range(4_000)


def test_users_are_spread_evenly() -> None:
    routing = Routing(CELLS)
    homes = Counter(routing.home(user) for user in USERS)
    assert set(homes) == set(CELLS)
    assert all(900 < count < 1_100 for count in homes.values())


def test_only_the_users_of_a_closed_cell_move_and_to_all_others_alike() -> None:
    routing = Routing(CELLS)
    before = {user: routing.cell(user) for user in USERS}
    routing.close("b")
    after = {user: routing.cell(user) for user in USERS}
    moved = [user for user in USERS if after[user] != before[user]]
    assert {before[user] for user in moved} == {"b"}
    assert len(moved) == sum(home == "b" for home in before.values())
    taken = Counter(after[user] for user in moved)
    assert set(taken) == {"a", "c", "d"}
    assert max(taken.values()) < 1.3 * min(taken.values())
    routing.open("b")
    assert {user: routing.cell(user) for user in USERS} == before


def test_home_stays_home() -> None:
    routing = Routing(CELLS)
    homes = [routing.home(user) for user in USERS]
    routing.close("a")
    assert [routing.home(user) for user in USERS] == homes
