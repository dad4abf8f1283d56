"""Channels: what plug-ins import, the registry, and one folder a channel."""
