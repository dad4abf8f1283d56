"""The command line: `tidings up`, the single processes, and a small client of the API.

Exit codes: 0 where all that was asked is done; 1 where not (all) is done: a message that does not exist, lines that
were left out, a doctor who found a failure; 2 where the command is wrong, or the API or a store does not answer; 3
where the database takes no program this old. Each of the latter comes with one line on standard error; a traceback
means a fault in tidings. What a command needs is imported when it runs, so that `tidings --help` returns at once. The
roof: it may import everything.
"""

import sys
from collections.abc import Sequence

from tidings.domain.errors import TidingsError, exit_code


class NotDoneError(TidingsError):
    """What was asked could not (all) be done: exit code 1."""


def complain(text: str) -> None:
    """Prints one line on standard error."""
    sys.stderr.write(f"tidings: {' '.join(text.split())}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code."""
    from tidings.cli.commands import app  # noqa: PLC0415

    chosen = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(chosen or ["--help"], prog_name="tidings", standalone_mode=False)
    except TidingsError as error:
        complain(str(error))
        return 1 if isinstance(error, NotDoneError) else exit_code(error)
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
        complain(explain())
        return 2
    return code if isinstance(code, int) else 0
