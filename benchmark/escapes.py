"""Characters that must not reach a terminal, a page or a compiler as they are."""

from __future__ import annotations

import re
import unicodedata

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\uffff]"
)


def visible(text: str) -> str:
    r"""`text` with control characters written out, as in Python: an escape character becomes "\x1b".

    These are control characters (Unicode categories Cc and Cs), line separators, and invisible characters that change
    the direction or the order of what stands around them (Unicode Technical Report 36).
    """
    return _UNSAFE.sub(lambda found: _written(found.group()), text)


def visible_lines(text: str) -> str:
    """As `visible`, of a text of several lines: line breaks and tabs stay."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t" else _written(found[0]), text)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode()


def right_to_left(text: str) -> bool:
    """Whether it holds letters that are written from right to left, and so could reorder what stands beside them."""
    return any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for character in text)
