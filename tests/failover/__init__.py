"""Stores that change under a running system: hosts that drop packets, standbys that are promoted, replicas, refusals.

Cheap enough to run with all other tests. `make failover ROUNDS=20` runs them that many times.
"""
