"""What every process of tidings shares: settings, the message model, retry policy, Redis keys, telemetry."""

from importlib.metadata import version

__version__ = version("tidings")
