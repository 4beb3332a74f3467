"""Writes into pictures: in a font that has the letters of Europe's languages where one is at hand."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageDraw, ImageFont

from benchmark.escapes import visible

SIZE = 12
"""Font size in px."""
UNKNOWN = "?"
"""In the place of a letter that the font lacks, with marks and without."""
NO_LETTER = "\uffff"


def write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, anchor: str = "la", fill: str = "black") -> None:
    draw.text(at, shown(text), fill=fill, font=_font(), anchor=anchor)


def widest(texts: Sequence[str]) -> int:
    """Width in px of the longest of `texts`."""
    return int(max((_font().getlength(shown(text)) for text in texts), default=0)) + 1


def shown(text: str) -> str:
    """`text` in letters that the font has: of one that it lacks the letter without its marks, as O for an umlaut."""
    return "".join(map(_letter, unicodedata.normalize("NFC", visible(text))))


@cache
def _letter(letter: str) -> str:
    if _has(letter):
        return letter
    bare = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return bare if bare and all(map(_has, bare)) else UNKNOWN


def _has(letter: str) -> bool:
    """Fonts draw all letters that they lack alike."""
    mask, lacking = (_font().getmask(text) for text in (letter, NO_LETTER))
    return (mask.size, bytes(mask)) != (lacking.size, bytes(lacking))


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """matplotlib's, where it is installed (without importing it); Pillow's own has hardly more than ASCII."""
    found = find_spec("matplotlib")
    if found and found.origin:
        file = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(file, SIZE)
    return ImageFont.load_default(SIZE)
