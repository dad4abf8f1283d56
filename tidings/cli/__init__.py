"""The command line: `tidings up`, the single processes, and a small client of the API.

Whatever is wrong is said in one line on standard error, with exit code 2; a traceback means a fault in tidings. What a
command needs is imported when it runs, so that `tidings --help` answers at once.
"""

import sys
from collections.abc import Sequence

from tidings.errors import TidingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code."""
    from tidings.cli.commands import app  # noqa: PLC0415

    chosen = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(chosen or ["--help"], prog_name="tidings", standalone_mode=False)
    except TidingsError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough.
        sys.stdout = None  # nothing is left to flush at exit
        return 0
    except Exception as error:
        # typer's own errors; their classes have moved between its versions, this method has not.
        explain = getattr(error, "format_message", None)
        if explain is None:
            raise
        return _refuse(explain())
    return code if isinstance(code, int) else 0


def _refuse(reason: str) -> int:
    sys.stderr.write(f"tidings: {' '.join(reason.split())}\n")
    return 2
