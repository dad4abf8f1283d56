"""Whether an answer is a web page, where a gateway was expected. Pure."""

import re
from typing import Final

from tidings.channels.http.transport import Answer

_BEFORE_MARKUP: Final = rb"(?:\xef\xbb\xbf)?(?:\s|<!--.*?-->|<\?xml.*?\?>)*+"
_HTML: Final = re.compile(_BEFORE_MARKUP + rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_PIECE: Final = re.compile(
    _BEFORE_MARKUP
    + rb"<(?:head|title|meta|link|style|script|body|div|p|br|h[1-6]|form|table|center|iframe|img|a|b|span)\b",
    re.IGNORECASE | re.DOTALL,
)
"""How a page may begin that leaves out what it need not say."""
_PAGE_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})


def is_page(answer: Answer) -> bool:
    """Whether it is a web page: of a parked domain, a login, a proxy.

    Its type alone does not say so: `text/html` is what PHP sends where a gateway says nothing else.
    """
    if _HTML.match(answer.body) is not None:
        return True
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in _PAGE_TYPES and _PIECE.match(answer.body) is not None
