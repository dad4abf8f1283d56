"""The keys that encrypt users' secrets in the embedded Postgres: beside it, in the data directory, for its owner only.

`<data_dir>/secret_keys` holds what `SECRET_KEYS` would, and is made once, whole or not at all. Who copies the
directory has both the secrets and their keys; for more, set `SECRET_KEYS`, and the file is not read.
"""

import os
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet

from tidings.domain.errors import SettingsError

FILE_NAME: Final = "secret_keys"


def ensure_secret_keys(data_dir: Path) -> str:
    """The keys in the data directory, which this process has claimed; made now where there are none yet."""
    kept = kept_secret_keys(data_dir)
    if kept:
        return kept
    made = Fernet.generate_key().decode()
    draft = data_dir / f"{FILE_NAME}.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{made}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(data_dir / FILE_NAME)
    return made


def kept_secret_keys(data_dir: Path) -> str:
    """The keys in the data directory, comma-separated; empty if there are none. Raises SettingsError."""
    path = data_dir / FILE_NAME
    try:
        return path.read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise SettingsError(f"SECRET_KEYS: cannot be read from {path}: {reason}") from None
