"""The settings: declared once, read from the environment and from Vault. Imports `tidings.domain`."""

from tidings.settings.fields import SECRETS, Settings, default_data_dir
from tidings.settings.loading import load

__all__ = ["SECRETS", "Settings", "default_data_dir", "load"]
