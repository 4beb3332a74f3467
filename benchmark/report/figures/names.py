"""Text that matplotlib can draw: names are shown as they are, and what has no shape in the font as its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from benchmark.escapes import visible

FONT = "DejaVu Sans"
"""Comes with matplotlib, so that a figure is the same wherever it is drawn."""
LABEL = 7.0
"""Font size of the labels of axes and legends, in points."""
LONGEST = 125.0
"""Width of a name in a legend or beside an axis, in points: with its options it can be far wider."""


def shown_text(text: str) -> str:
    """`text` with control characters, marks of direction, and characters that the font lacks as codes such as
    "\\x1b" or "\\U0001f600". `$ _ % & < >` and backslashes stay: `canvas.STYLE` turns mathtext off."""
    return "".join(char if ord(char) in _glyphs() else _code(char) for char in visible(text))


def _code(char: str) -> str:
    return char.encode("unicode_escape").decode()


@cache
def _glyphs() -> frozenset[int]:
    """The characters that the font has a shape for."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def width(text: str, size: float) -> float:
    """Width of a line in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return text_to_path.get_text_width_height_descent(text, FontProperties(family=FONT, size=size), ismath=False)[0]


def wrapped(text: str, size: float, points: float) -> str:
    """`text` in lines of at most `points` width, at words where possible."""
    lines = [""]
    for word in shown_text(text).split(" "):
        joined = f"{lines[-1]} {word}".lstrip()
        if width(joined, size) <= points:
            lines[-1] = joined
            continue
        while width(word, size) > points:
            kept = _fitting(word, size, points)
            lines.append(word[:kept])
            word = word[kept:]
        lines.append(word)
    return "\n".join(line for line in lines if line)


def _fitting(
    text: str, size: float, points: float, cut: Callable[[str, int], str] = lambda text, kept: text[:kept]
) -> int:
    """How many characters of `text`, which is too wide, fit when it is `cut` to them; one at least."""
    kept = max(1, int(len(text) * points / width(text, size)))
    while kept < len(text) and width(cut(text, kept + 1), size) <= points:
        kept += 1
    while kept > 1 and width(cut(text, kept), size) > points:
        kept -= 1
    return kept


def labels(names: Sequence[str], most: float = LONGEST, marks: Mapping[str, str] | None = None) -> list[str]:
    """Names of at most that width in points, their middles left out; in full where they would then be alike.

    `marks`: what stands behind a name, and is never shortened.
    """
    behind = [(marks or {}).get(name, "") for name in names]
    full = [shown_text(name) for name in names]
    short = [_shortened(name, most - width(mark, LABEL)) for name, mark in zip(full, behind, strict=True)]
    kept = [name if short.count(cut) > 1 else cut for name, cut in zip(full, short, strict=True)]
    return [f"{name}{mark}" for name, mark in zip(kept, behind, strict=True)]


def _shortened(text: str, most: float) -> str:
    fits = width(text, LABEL) <= most
    return text if fits else _without_middle(text, _fitting(text, LABEL, most, _without_middle))


def _without_middle(text: str, kept: int) -> str:
    """`kept` characters of `text`, three quarters of them from its beginning."""
    end = kept // 4
    return f"{text[: kept - end]}…{text[len(text) - end :]}"
