"""How a process begins and ends: where its stores are, event loop, signals, exit code.

Imports all of `tidings` but `channels` and `cli`.
"""
