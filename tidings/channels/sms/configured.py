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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
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
MAX_CREDENTIAL: Final = 4000
SECTIONS: Final = ("request", "success", "errors", "receipt")
_FROM_ENVIRONMENT: Final = "env:"
_NAMESPACE: Final = UUID("6f0b0d5c-5a2e-5d0b-9b1e-2f6f1f1f3a10")

Name = Annotated[str, Meta(max_length=64, pattern=NAME_PATTERN)]
Prefix = Annotated[str, Meta(max_length=16, pattern=r"^\+[1-9][0-9]{0,14}$")]
Sender = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^(\+?[0-9]{3,15}|[ -~]{1,11})$")]


class Configured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One gateway of the configuration."""

    name: Name
    preset: str | None = None
    request: dict[str, Any] | None = None
    success: dict[str, Any] | None = None
    errors: dict[str, Any] | None = None
    receipt: dict[str, Any] | None = None
    """Otherwise than in the preset, or without one all of it."""
    base_url: str = ""
    credentials: dict[str, str] = {}
    senders: tuple[Sender, ...] = msgspec.field(default=(), name="from")
    prefixes: tuple[Prefix, ...] | None = None
    short_codes: bool = False
    weight: Annotated[int, Meta(ge=0, le=1000)] = 1
    allow_duplicates: bool = False
    per_second: Annotated[int, Meta(ge=1, le=10_000)] | None = None
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


def spec_of(preset: str | None, sections: Mapping[str, Any], credentials: Iterable[str]) -> dict[str, Any] | None:
    """What a row has of a gateway that is otherwise than its preset; without one its credentials have any names."""
    spec = {name: value for name, value in sections.items() if name in SECTIONS and value}
    if preset is None:
        spec["optional"] = sorted(name for name in credentials if name != CALLBACK_TOKEN)
    return spec or None


def gateway_faults(
    preset: str | None,
    spec: Mapping[str, Any] | None,
    base_url: str,
    credentials: Mapping[str, str],
    senders: Sequence[str],
) -> dict[str, str]:
    """What is wrong with a gateway, by field; each is one line without a secret."""
    try:
        rules = preset_of(preset, spec)
    except ValueError as error:
        return {"preset" if preset is not None and preset not in presets() else "request": str(error)}
    faults: dict[str, str] = {}
    known = {*rules.credentials, *rules.optional, CALLBACK_TOKEN}
    if unknown := sorted(credentials.keys() - known):
        names = ", ".join([*rules.credentials, *rules.optional])
        faults[unknown[0]] = f"is no field and no credential of this preset, which has: {names or 'none'}"
    for name in rules.credentials:
        if not credentials.get(name):
            faults[name] = "is missing"
    for name, value in credentials.items():
        if len(value) > MAX_CREDENTIAL or not value.isprintable():
            faults[name] = f"must be one line of at most {MAX_CREDENTIAL} characters"
    if not (base_url or rules.base_url):
        faults["base_url"] = "is missing"
    elif base_url and not _is_url(base_url):
        faults["base_url"] = "must be an http or https URL, without a user or a fragment"
    if rules.needs_from and not senders:
        faults["from"] = "is missing: this provider wants to know whom a message is from"
    return faults


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return (
            url.scheme in {"http", "https"}
            and bool(url.hostname)
            and url.port != 0
            and not (url.username or url.password or url.fragment)
            and text.isascii()
            and text.isprintable()
            and " " not in text
        )
    except ValueError:
        return False


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
        sections = {name: getattr(entry, name) for name in SECTIONS}
        spec = spec_of(entry.preset, sections, credentials)
        faults = gateway_faults(entry.preset, spec, entry.base_url, credentials, entry.senders)
    except ValueError as error:
        raise ValueError(f"{entry.name}: {error}") from None
    for field, detail in faults.items():
        raise ValueError(f"{entry.name}: {field} {detail}")
    same = {name: getattr(entry, name) for name in Configured.__struct_fields__ if name in Gateway.__struct_fields__}
    return Gateway(
        **{
            **same,
            "id": uuid5(_NAMESPACE, entry.name),
            "spec": spec,
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
