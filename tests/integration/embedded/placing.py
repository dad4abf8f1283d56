"""What is said of a place: `python -m tests.integration.embedded.placing DIRECTORY [PROGRAM]`.

PROGRAM stands for the installed PostgreSQL.
"""

import asyncio
import sys
from pathlib import Path

from tidings.domain.errors import DataDirectoryError
from tidings.embedded import place
from tidings.embedded.data_directory import DataDirectory


def said_of(directory: Path) -> str:
    """The refusal of a place, by whoever this process is; empty where the stores can live there."""
    found = DataDirectory(directory)
    try:
        asyncio.run(place.check_place(found))
        found.claim()
    except DataDirectoryError as error:
        return str(error)
    found.release()
    return ""


if __name__ == "__main__":
    if sys.argv[2:]:
        vars(place)["installed_postgres"] = lambda: Path(sys.argv[2])
    sys.stdout.write(said_of(Path(sys.argv[1])))
