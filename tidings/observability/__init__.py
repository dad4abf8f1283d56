"""Logs, metrics, traces, and the reports that processes leave in Redis.

Imports `tidings.settings` and `tidings.domain`.
"""
