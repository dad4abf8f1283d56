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
