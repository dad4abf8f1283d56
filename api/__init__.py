"""The control API over aiohttp: one room a noun, with its routes and types. `app` puts them together.

Imports `sql` and `tidings`, never `producer` or `consumers`.
"""

from typing import Final

API_VERSION: Final = "1"
"""What strangers are told: of the interface, not of the program, whose faults are known by its version."""
