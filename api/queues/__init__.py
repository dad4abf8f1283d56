"""Queues: their pace, and their on/off switch."""
