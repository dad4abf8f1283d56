"""Quotas of users: what each may have accepted, counted in this process and settled with the others.

May import the rooms below `api`, and of `api` the rooms `http`, `openapi`, `accounts` and the listings of `messages`.
"""
