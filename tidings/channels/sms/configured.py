"""The operator's gateways of the configuration: `SMS_GATEWAYS`, TOML or the path of a file with it.

```toml
[[gateway]]
name = "twilio"
preset = "twilio"
from = ["+15005550006"]
credentials = { account_sid = "AC…", auth_token = "env:TWILIO_AUTH_TOKEN" }
```
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta

from tidings.channels.sms.preset import Preset, presets
from tidings.domain.errors import SettingsError
from tidings.domain.gateway import CALLBACK_TOKEN, Gateway

NAME_PATTERN: Final = "^[a-z0-9][a-z0-9_-]{0,63}$"
RESERVED: Final = frozenset({"sms", "me"})
"""Names that would be mistaken for something else."""
MOST: Final = 100
_FROM_ENVIRONMENT: Final = "env:"
_NAMESPACE: Final = UUID("6f0b0d5c-5a2e-5d0b-9b1e-2f6f1f1f3a10")

Name = Annotated[str, Meta(max_length=64, pattern=NAME_PATTERN)]
Prefix = Annotated[str, Meta(max_length=16, pattern=r"^\+[1-9][0-9]{0,14}$")]
Sender = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^(\+?[0-9]{3,15}|[ -~]{1,11})$")]


class Configured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One gateway of the configuration."""

    name: Name
    preset: str | None = None
    spec: dict[str, Any] | None = None
    base_url: str = ""
    credentials: dict[str, str] = {}
    senders: tuple[Sender, ...] = msgspec.field(default=(), name="from")
    prefixes: tuple[Prefix, ...] | None = None
    short_codes: bool = False
    weight: Annotated[int, Meta(ge=0, le=1000)] = 1
    allow_duplicates: bool = False
    per_second: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    concurrency: Annotated[int, Meta(ge=1, le=1000)] | None = None
    price: str | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway: Annotated[tuple[Configured, ...], Meta(max_length=MOST)] = ()


def preset_of(name: str | None, spec: Mapping[str, Any] | None) -> Preset:
    """A preset, with what `spec` has otherwise, section by section. Raises ValueError in one line."""
    base: dict[str, Any] = {}
    if name is not None:
        if name not in presets():
            raise ValueError(f"{name!r} is no preset; there are {', '.join(presets())}")
        if not spec:
            return presets()[name]
        base = msgspec.to_builtins(presets()[name])
    for section, value in (spec or {}).items():
        base[section] = {**base[section], **value} if isinstance(value, Mapping) and section in base else value
    try:
        preset = msgspec.convert(base, Preset)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    preset.check()
    return preset


def check_credentials(preset: Preset, credentials: Mapping[str, str]) -> str | None:
    """What is wrong with a gateway's credentials, in one line; None where nothing is."""
    known = {*preset.credentials, *preset.optional, CALLBACK_TOKEN}
    if missing := [name for name in preset.credentials if not credentials.get(name)]:
        return f"{missing[0]} is missing"
    if unknown := sorted(credentials.keys() - known):
        return f"{unknown[0]} is not among those of this preset, which are: {', '.join(sorted(known)) or 'none'}"
    bad = [name for name, value in credentials.items() if len(value) > 4000 or not value.isprintable()]  # noqa: PLR2004
    return f"{bad[0]} must be one line of at most 4000 characters" if bad else None


def configured_gateways(text: str, environ: Mapping[str, str] = os.environ) -> list[Gateway]:
    """Those of `SMS_GATEWAYS`. Raises SettingsError in one line."""
    if not text:
        return []
    try:
        if "\n" not in text and "=" not in text:
            text = Path(text).expanduser().read_text()
        entries = msgspec.convert(tomllib.loads(text), _File).gateway
        return [_gateway(entry, environ) for entry in entries]
    except (OSError, ValueError) as error:
        raise SettingsError(f"SMS_GATEWAYS: {error}") from None


def _gateway(entry: Configured, environ: Mapping[str, str]) -> Gateway:
    if entry.name in RESERVED:
        raise ValueError(f"{entry.name}: no gateway may be called so")
    try:
        credentials = {name: _value(value, environ) for name, value in entry.credentials.items()}
        preset = preset_of(entry.preset, entry.spec)
    except ValueError as error:
        raise ValueError(f"{entry.name}: {error}") from None
    fault = check_credentials(preset, credentials)
    if fault is None and not (entry.base_url or preset.base_url):
        fault = "base_url is missing"
    if fault is None and preset.needs_from and not entry.senders:
        fault = "from is missing: this provider wants to know whom a message is from"
    if fault is not None:
        raise ValueError(f"{entry.name}: {fault}")
    same = {name: getattr(entry, name) for name in Configured.__struct_fields__ if name in Gateway.__struct_fields__}
    return Gateway(
        **{
            **same,
            "id": uuid5(_NAMESPACE, entry.name),
            "credentials": None,
            "clear": credentials,
            "allows_duplicates": entry.allow_duplicates,
        }
    )


def _value(text: str, environ: Mapping[str, str]) -> str:
    if not text.startswith(_FROM_ENVIRONMENT):
        return text
    name = text.removeprefix(_FROM_ENVIRONMENT)
    if not environ.get(name):
        raise ValueError(f"the variable {name} is not set")
    return environ[name]
