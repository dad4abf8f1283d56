"""The cron-like side: claims due messages, pushes them to consumers, reclaims them, keeps the tables.

Imports `sql` and `tidings`.
"""
