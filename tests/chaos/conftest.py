"""Options of the chaos suite, its stores, and a round for each test.

Without `--rounds` the short set runs, once, with short leases; with it every scenario runs that many times with the
default settings, and the measured table is written beside the results.
"""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.chaos import verdicts
from tests.chaos.receiver import CountingReceiver
from tests.chaos.round import Play, Round
from tests.chaos.stores import ChaosStores, folder_for_stores
from tidings.settings import Settings

RESULTS: Final = Path("build/chaos/rounds.jsonl")
SHORT_LEASE: Final = Settings(lease_seconds=3.0, lease_renewal_seconds=1.0, reconcile_seconds=0.5)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--rounds", type=int, help="rounds of every chaos scenario; without it the short set runs")
    group.addoption("--seed", help="seed of all random choices; the default is a new one each time")
    group.addoption("--results", type=Path, help=f"where rounds are noted, the table beside it (default: {RESULTS})")
    group.addoption("--minutes", type=float, help="length of the soak")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chaos(row, short): a scenario of the chaos table")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "round_number" in metafunc.fixturenames:
        metafunc.parametrize("round_number", range(1, (metafunc.config.getoption("--rounds", None) or 1) + 1))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--rounds", None):
        return
    left_out = {item for item in items if _is_long(item)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _is_long(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("chaos")
    return mark is not None and not mark.kwargs["short"]


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> str:
    """Of the whole session; told by each round that fails."""
    return request.config.getoption("--seed", None) or f"{random.getrandbits(32):08x}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chaos_stores() -> AsyncIterator[ChaosStores]:
    with folder_for_stores() as folder:
        stores = ChaosStores(folder / "data")
        try:
            await stores.start()
            yield stores
        finally:
            await stores.stop()


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """Where the rounds of the long set are noted."""
    if request.config.getoption("--rounds", None) is None:
        yield None
        return
    path = request.config.getoption("--results", None) or RESULTS
    yield path
    if path.exists():
        path.with_suffix(".md").write_text(verdicts.table(verdicts.read(path)), "utf-8")


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[CountingReceiver]:
    async with CountingReceiver() as running:
        yield running


@pytest.fixture
def play(  # noqa: PLR0917  (fixtures, by name)
    request: pytest.FixtureRequest,
    receiver: CountingReceiver,
    results: Path | None,
    seed: str,
    round_number: int,
    tmp_path: Path,
) -> Play:
    """Plays a round of the scenario that the test is marked with, on these stores, and notes what came of it."""
    mark = request.node.get_closest_marker("chaos")
    own_seed = f"{seed}-{request.node.name}"
    request.node.add_report_section("setup", "seed", own_seed)

    @asynccontextmanager
    async def playing(stores: ChaosStores) -> AsyncIterator[Round]:
        async with stores.fresh(Settings() if results else SHORT_LEASE) as settings:
            played = Round(
                mark.args[0], stores=stores, settings=settings, folder=tmp_path, receiver=receiver, seed=own_seed
            )
            try:
                async with played.system:
                    yield played
            finally:
                if results:
                    verdicts.append(results, played.verdict)

    return playing


@pytest_asyncio.fixture(loop_scope="session")
async def chaos(chaos_stores: ChaosStores, play: Play) -> AsyncIterator[Round]:
    """A round on the suite's stores."""
    async with play(chaos_stores) as played:
        yield played
