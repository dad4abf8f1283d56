"""A supervisor with two sleeping programs, for tests that kill it.

`python -m tests.integration.cli.up.supervised FOLDER`: each program writes its process id into the folder.
"""

import asyncio
import sys

from tidings.cli.up.supervisor import Program, Supervisor

NOTE_AND_SLEEP = """
import os, pathlib, sys, time
folder, name = sys.argv[1:]
pathlib.Path(folder, name + ".new").write_text(str(os.getpid()))
pathlib.Path(folder, name + ".new").rename(pathlib.Path(folder, name))
time.sleep(600)
"""


async def supervise(folder: str) -> None:
    names = ("first", "second")
    programs = [[Program(name=name, command=(sys.executable, "-c", NOTE_AND_SLEEP, folder, name))] for name in names]
    supervisor = Supervisor(programs)
    supervisor.start()
    await supervisor.failed()


if __name__ == "__main__":
    asyncio.run(supervise(sys.argv[1]))
