"""Numbers as they are read aloud."""

from __future__ import annotations

import math

from benchmark.report.brief.facts import Share

SIGN = "\N{NO-BREAK SPACE}%"


def percent(value: float) -> str:
    """ "17 %", which no line ends within; one decimal below 1 % and above 99 %; "-" where it is not known."""
    if math.isnan(value):
        return "-"
    digits = 1 if 0 < value < 0.01 or 0.99 < value < 1 else 0
    return f"{100 * value:.{digits}f}{SIGN}"


def share(found: Share) -> str:
    """ "17 % (13 to 22 %)"."""
    return f"{percent(found.value)}{interval(found)}"


def interval(found: Share) -> str:
    """ " (13 to 22 %)", the 95 % interval; empty where it is not known."""
    if math.isnan(found.low) or math.isnan(found.high):
        return ""
    return f" ({percent(found.low).removesuffix(SIGN)} to {percent(found.high)})"


def points(value: float) -> str:
    """A difference of shares in percentage points: "+2.1"."""
    return f"{round(100 * value, 1) + 0.0:+.1f}"


def count(number: int, what: str) -> str:
    """ "1 image", "1,200 images"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
