"""Notes are plain text in which names stand between backticks, as code in Markdown (CommonMark 0.31, section 6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"`+")


def code(name: str) -> str:
    """`name` between backticks: more of them than it holds in a row, and spaces where it begins or ends with one."""
    fence = "`" * (1 + max((len(run) for run in _FENCE.findall(name)), default=0))
    padded = name.startswith(("`", " ")) or name.endswith(("`", " "))
    space = " " if padded and name.strip(" ") else ""
    return f"{fence}{space}{name}{space}{fence}"


def probability(value: float, digits: int = 2) -> str:
    """ "0.27"; "≤0.01" and "≥0.99" instead of 0 and 1, which no data show."""
    least = 10.0**-digits
    if value < least / 2:
        return f"≤{least:.{digits}f}"
    text = f"{min(value, 1 - least):.{digits}f}"
    return f"≥{text}" if value > 1 - least / 2 else text


def split(note: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a note, each with whether it is code. Backticks that close nothing are text."""
    start = at = 0
    while opening := _FENCE.search(note, at):
        closing = next((run for run in _FENCE.finditer(note, opening.end()) if run.group() == opening.group()), None)
        at = opening.end()
        if closing is None:
            continue
        if opening.start() > start:
            yield note[start : opening.start()], False
        inner = note[opening.end() : closing.start()]
        padded = inner.startswith(" ") and inner.endswith(" ") and inner.strip(" ")
        yield inner[1:-1] if padded else inner, True
        start = at = closing.end()
    if start < len(note):
        yield note[start:], False
