"""The errors that tidings raises, each with what its catcher may do about it.

TidingsError
├── SettingsError       a wrong setting; the process ends with this one line and exit code 2
├── DataDirectoryError  the embedded stores cannot use their data directory; one line, exit code 2
├── EmbeddedStoreError  an embedded store is not installed or does not start; one line, exit code 2
├── SchemaError         the database is older than this program, or a migration cannot be applied; one line, exit code 2
│   └── TooOldError     the database takes no program this old; one line, exit code 3
├── StoreUnavailableError  Postgres or Redis does not answer; the same call may succeed later
│   └── StoreRefusedError  it refuses this process: at its start one line, exit code 2; later it is waited for
├── EmailTakenError     another user has this e-mail address; the client chooses another
├── LastAdminError      no admin would be left; somebody else becomes one first
└── UnsealError         a secret cannot be read with the present `SECRET_KEYS`; the operator adds the missing key
"""


class TidingsError(Exception):
    """Base of all errors of this package; its text is one line that a person can act on."""


class SettingsError(TidingsError):
    """A setting is missing, malformed, or contradicts another one."""


class DataDirectoryError(TidingsError):
    """The embedded stores' data directory is in use, unreachable or not ours."""


class EmbeddedStoreError(TidingsError):
    """An embedded store is not installed on this machine, or it does not start."""


class SchemaError(TidingsError):
    """The database schema does not fit this program."""


class TooOldError(SchemaError):
    """The database schema is newer than this program and does not allow it: only a newer program helps."""


class StoreUnavailableError(TidingsError):
    """Postgres or Redis does not answer at present; retrying is right."""


class StoreRefusedError(StoreUnavailableError):
    """Postgres or Redis refuses a connection until a setting, here or there, is mended; the text names ours."""


class EmailTakenError(TidingsError):
    """Another user has this e-mail address."""


class LastAdminError(TidingsError):
    """No admin would be left who can act."""


class UnsealError(TidingsError):
    """A sealed secret that none of the present keys opens, or that was sealed for another place."""


def exit_code(error: TidingsError) -> int:
    """What a process ends with for this: 3 where only a newer program helps, else 2."""
    return 3 if isinstance(error, TooOldError) else 2


def describe(error: BaseException | None) -> str:
    """An exception in one line of a log: its kind and its text."""
    return f"{type(error).__name__}: {error}"
