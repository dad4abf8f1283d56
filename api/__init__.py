"""The control API over aiohttp: one room a noun, with its routes and types. `app` puts them together.

Imports `sql` and `tidings`, never `producer` or `consumers`.
"""
