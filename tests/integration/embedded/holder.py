"""Holds embedded stores until it is killed: `python -m tests.integration.embedded.holder DIR [--unbound]`.

Prints `ready` when they answer; ends cleanly at the end of its input. `--unbound` leaves out the signal at the parent's
death, as on systems that have none.
"""

import asyncio
import sys
from pathlib import Path

from tidings.embedded import EmbeddedStores, child_process


async def hold(data_dir: Path) -> None:
    stores = EmbeddedStores(data_dir)
    await stores.start()
    print("ready", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    await stores.stop()


if __name__ == "__main__":
    if "--unbound" in sys.argv:
        # The script that becomes the store takes 0 for "no signal".
        script = Path(child_process.__file__).read_text()
        unbound = Path(sys.argv[1]).parent / "unbound.py"
        unbound.write_text(script.replace("PR_SET_PDEATHSIG, death_signal", "PR_SET_PDEATHSIG, 0"))
        child_process.__file__ = str(unbound)
    asyncio.run(hold(Path(sys.argv[1])))
