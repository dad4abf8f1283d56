"""How the command line says that something is amiss, and with which exit code.

0: done. 1: not (all) done. 2: the command itself is wrong, or nobody answers it.
"""

import sys

from tidings.domain.errors import TidingsError


class NotDoneError(TidingsError):
    """The command was understood and asked, and the answer is no: exit code 1."""


def complain(text: str) -> None:
    """Prints one line on standard error."""
    sys.stderr.write(f"tidings: {' '.join(text.split())}\n")
