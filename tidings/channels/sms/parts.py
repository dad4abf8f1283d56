"""How many parts a text takes on its way to a phone (3GPP TS 23.038 and 23.040)."""

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The alphabet of GSM, of 7 bits."""
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""What stands after an escape in it, and so counts two."""
_ALL: Final = _BASIC | _EXTENDED
GSM_SINGLE, GSM_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67


def is_gsm(text: str) -> bool:
    """Whether the whole text is in GSM's alphabet."""
    return _ALL.issuperset(text)


def parts(text: str) -> int:
    """Of how many parts the text is: by GSM's alphabet, or else by UTF-16."""
    if _ALL.issuperset(text):
        sizes, single, most = [2 if letter in _EXTENDED else 1 for letter in text], GSM_SINGLE, GSM_PART
    else:
        sizes, single, most = [2 if ord(letter) > 0xFFFF else 1 for letter in text], UCS2_SINGLE, UCS2_PART  # noqa: PLR2004
    if sum(sizes) <= single:
        return 1
    count, room = 1, most
    for size in sizes:  # neither an escape nor a pair is cut in two
        if size > room:
            count, room = count + 1, most
        room -= size
    return count


_ALIKE: Final = str.maketrans(
    {
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u00b4\u0060", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"),
        "\u2026": "...",
        "\u2022": "*",
        "\u2044": "/",
    }
)
"""Typographic letters, and what GSM's alphabet has that looks alike; None: nobody sees them."""


def smart(text: str) -> str:
    """The text in GSM's alphabet, where nothing but typography keeps it from that; otherwise as it is."""
    if _ALL.issuperset(text):
        return text
    plain = text.translate(_ALIKE)
    return plain if _ALL.issuperset(plain) else text
