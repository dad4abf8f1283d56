"""Distributed Mail Queue Service: as its clients know it, and what it did wrong."""
