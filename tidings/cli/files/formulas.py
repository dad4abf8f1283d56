"""Cells of a CSV that a spreadsheet would run.

A text that begins with one of `= + - @`, a tab or a return is a formula to Excel, LibreOffice and Google Sheets, and
what a stranger wrote into a message would run on the machine of whoever opens the export (OWASP, "CSV injection"). Such
a cell gets an apostrophe before it, which spreadsheets take for "this is text". Plain numbers, such as +4915112345678,
stay as they are. What has been given one is taken back by an import, to the letter.
"""

import re
from typing import Final

_RUNS: Final = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""With any number of apostrophes of its own, so that taking one away gives what was there. Excel also takes the wide
signs of East Asian text."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")


def guarded(text: str) -> str:
    """A cell as an export writes it."""
    return f"'{text}" if _RUNS.match(text) and not _NUMBER.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """The text that an export made into this cell."""
    return cell[1:] if cell.startswith("'") and _RUNS.match(cell) else cell
