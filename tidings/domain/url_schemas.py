"""Schemas of Apprise URLs, as `APPRISE_SCHEMAS` names them."""

import re
from collections.abc import Iterable
from typing import Final

LOCAL: Final = frozenset({"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
_SCHEMA: Final = re.compile(r"[A-Za-z0-9]{1,32}")


def schemas(names: Iterable[str]) -> frozenset[str]:
    """`APPRISE_SCHEMAS`, read. Raises ValueError for what is no schema, or acts on the consumer's own machine."""
    read = frozenset(name.lower() for name in names)
    for name in sorted(read):
        if not _SCHEMA.fullmatch(name):
            raise ValueError(f"{name!r} is not the schema of an Apprise URL")
        if name in LOCAL:
            raise ValueError(f"{name!r} acts on the machine that the consumer runs on, and cannot be opened")
    return read
