"""The arq worker: takes batches, delivers their messages through channels, records the outcomes.

`arq consumers.WorkerSettings` runs it under arq's own command line; `tidings consumer` runs the same worker and builds
it anew when Redis drops.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    # Made when arq asks for it, since it reads the environment.
    if name == "WorkerSettings":
        from consumers.worker_settings import make_worker_settings  # noqa: PLC0415

        return make_worker_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
