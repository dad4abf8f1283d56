"""Reads the settings of a process: from its environment, and from Vault what is not set there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tidings.domain.errors import SettingsError
from tidings.settings.fields import FORGOTTEN, VAULT_PREFIX, Settings

_LISTS: Final = frozenset(each.name for each in msgspec.structs.fields(Settings) if isinstance(each.default, tuple))
"""Settings whose value is several, comma-separated."""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from the environment, and from Vault those that are not set there; empty counts as not set.

    Raises SettingsError, in one line that names the setting, where a value is wrong or Vault does not give its own.
    """
    values = _values(os.environ if environ is None else environ)
    if "vault_addr" in values:
        values = {**_values(_kept_in_vault(values)), **values}
    for name in FORGOTTEN:
        values.pop(name, None)
    return _convert(values)


def _values(environ: Mapping[str, str]) -> dict[str, Any]:
    """What is set in an environment, by the names of the fields."""
    values: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        text = environ.get(name.upper(), "").strip()
        if text:
            values[name] = [part.strip() for part in text.split(",")] if name in _LISTS else text
    if not values.get("redis_uri") and values.get("redis_host"):
        values["redis_uri"] = f"redis://{values['redis_host']}"
    return values


def _kept_in_vault(values: Mapping[str, Any]) -> dict[str, str]:
    from tidings.settings import vault  # noqa: PLC0415  (its libraries take a tenth of a second)

    access = _convert({name: value for name, value in values.items() if name.startswith(VAULT_PREFIX)})
    known = frozenset(name.upper() for name in Settings.__struct_fields__ if not name.startswith(VAULT_PREFIX))
    return vault.as_text(vault.read(access), known)


def _convert(values: Mapping[str, Any]) -> Settings:
    for name, value in values.items():
        # One at a time, so that the message names the variable as its owner wrote it.
        try:
            msgspec.convert({name: value}, Settings, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at ", maxsplit=1)[0]
            raise SettingsError(f"{name.upper()}: {reason[:1].lower()}{reason[1:]}") from None
        except SettingsError:
            # A relation to a setting that is not read yet: judged below, with all of them.
            continue
    return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value).expanduser()
    raise NotImplementedError(kind)
