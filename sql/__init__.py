"""Everything that is said to Postgres: migrations, named queries, and one store a noun.

Imports `tidings` below `tidings.cli`.
"""
