"""Everything that concerns Postgres: migrations, named queries, and one store a noun.

Imports `tidings` below `tidings.cli`.
"""
