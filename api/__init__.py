"""The control API over aiohttp: one room a noun, each with its `routes.py`.

Imports `sql` and `tidings`, never `producer` or `consumers`.
"""
