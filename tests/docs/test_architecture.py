"""docs/architecture.md against the code: its rooms, its layers, and each step of one message's way."""

import importlib
import re
import tomllib
from functools import cache, reduce
from itertools import pairwise
from typing import Any, Final, NamedTuple

import grimp
import pytest

from tests.docs.blocks import ROOT, blocks

PAGE: Final = ROOT / "docs" / "architecture.md"
MOST_ROOMS: Final = 9
PACKAGES: Final = ("api", "consumers", "producer", "sql", "tidings")
ROOM = re.compile(r"^\| `([a-z/]+)` \|", re.MULTILINE)
STEP = re.compile(r"^\| \d+ \| `([a-z/]+)` \| `([\w.]+):([\w.]+)` \|", re.MULTILINE)
FUNCTION = re.compile(r"`([a-z_]+(?:\.[a-z_]+)*):(\w+(?:\.\w+)*)`")


class Step(NamedTuple):
    """One row of the way."""

    room: str
    module: str
    function: str


def _rooms() -> list[str]:
    text, _, _ = PAGE.read_text("utf-8").partition("## The layers")
    return ROOM.findall(text)


def _steps() -> list[Step]:
    return [Step(*found) for found in STEP.findall(PAGE.read_text("utf-8"))]


def _package(room: str) -> str:
    return room.replace("/", ".")


def _layers() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers: list[str] = contracts[0]["layers"]
    return layers


def _layer(package: str) -> int:
    """Which layer a package is in, counted from the bottom."""
    for height, layer in enumerate(reversed(_layers())):
        if any(package == each or package.startswith(f"{each}.") for each in layer.split(" | ")):
            return height
    raise AssertionError(f"{package} is in no layer of pyproject.toml")


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES)


def _imports(importer: str, imported: str) -> bool:
    return _graph().chain_exists(importer, imported, as_packages=True)


def test_the_page_names_every_room_and_no_other() -> None:
    inner = {
        f"{parent}/{path.parent.name}"
        for parent in ("api", "tidings")
        for path in (ROOT / parent).glob("*/__init__.py")
    }
    there = inner | (set(PACKAGES) - {"tidings"})
    named = _rooms()
    assert len(named) == len(set(named))
    assert sorted(there - set(named)) == [], "docs/architecture.md, 'The rooms': add a row for each of these"
    assert sorted(set(named) - there) == [], "docs/architecture.md, 'The rooms': these are gone, take their rows out"


def test_the_page_shows_the_layers_that_are_checked() -> None:
    shown = [block.text.splitlines() for block in blocks(PAGE) if block.language == "text"]
    assert _layers() in shown, "docs/architecture.md, 'The layers': copy the layers from pyproject.toml"


@pytest.mark.parametrize(("module", "function"), sorted(set(FUNCTION.findall(PAGE.read_text("utf-8")))))
def test_a_function_that_the_page_names_is_there(module: str, function: str) -> None:
    what_to_do = f"docs/architecture.md names {module}:{function}; write where it went, and what does the step now"
    try:
        found: Any = reduce(getattr, function.split("."), importlib.import_module(module))
    except (ModuleNotFoundError, AttributeError) as error:
        raise AssertionError(f"{what_to_do} ({error})") from None
    assert callable(found), what_to_do


def test_each_step_is_in_the_room_that_its_row_says() -> None:
    rooms = _rooms()
    for step in _steps():
        inside = [room for room in rooms if f"{step.module}.".startswith(f"{_package(room)}.")]
        assert max(inside, key=len, default=None) == step.room, (
            f"docs/architecture.md: {step.module} is in {inside}, and its row says {step.room}"
        )


def test_each_step_leads_to_the_next() -> None:
    """Down the layers a room imports the next one; up again, the next one imports the room that it hears from."""
    steps = _steps()
    assert steps[0].room == "api/http"
    assert (steps[-1].room, steps[-1].function) == ("sql", "BatchStore.record")
    for step, following in pairwise(steps):
        here, there = _package(step.room), _package(following.room)
        if here == there:
            continue
        down, up = _layer(here) > _layer(there), _layer(here) < _layer(there)
        leads = (not up and _imports(here, there)) or (not down and _imports(there, here))
        assert leads, (
            f"docs/architecture.md: no import leads from {step.module}:{step.function} ({here}) to "
            f"{following.module}:{following.function} ({there}); put the steps between them into the table"
        )


def test_the_way_leads_through_few_rooms() -> None:
    rooms = list(dict.fromkeys(step.room for step in _steps()))
    assert len(rooms) <= MOST_ROOMS, f"{len(rooms)} rooms: {rooms}"
    assert {"api/messages", "sql", "producer", "consumers", "tidings/channels"} <= set(rooms)
