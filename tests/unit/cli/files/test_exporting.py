"""How much memory an export takes; the rest is shown against a real API in tests/integration/cli/test_files.py."""

import tracemalloc
from pathlib import Path

from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_api import Answer, Asked
from tidings.cli.files.exporting import export
from tidings.cli.options import Api

MESSAGE = {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "content": "x" * 2000}


async def peak_of(serve: Serve, path: Path, pages: int) -> int:
    def answer(asked: Asked) -> Answer:
        number = int(asked.query.get("cursor", 0)) + 1
        return 200, {"messages": [MESSAGE] * 100, "next_cursor": str(number) if number < pages else None}

    api = await serve(answer)
    tracemalloc.start()
    try:
        await export({}, path=path, file_format=None, fields=["id", "content"], api=Api(url=api.url))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_long_export_takes_no_more_memory_than_a_short_one(serve: Serve, tmp_path: Path) -> None:
    await peak_of(serve, tmp_path / "first.csv", 1)
    short = await peak_of(serve, tmp_path / "short.csv", 3)
    long = await peak_of(serve, tmp_path / "long.csv", 30)
    assert (tmp_path / "long.csv").stat().st_size > 30 * 100 * 2000
    assert long < short * 1.5
