"""What every process of tidings shares: settings, the message model, retry policy, Redis keys, telemetry.

Its rooms are layers, each of which imports those below it: pyproject.toml lists them. Only `cli` imports `api`,
`producer`, `consumers` and `sql`.
"""

from importlib.metadata import version

__version__ = version("tidings")
