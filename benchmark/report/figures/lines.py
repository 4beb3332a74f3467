"""How the lines of a figure are told apart: by colour, dash and marker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from benchmark.tables.comparable import TableError

COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart by colour-blind readers too (Okabe & Ito, 2008), without yellow, which is too light for lines."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d", "H")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
MOST_LINES = len(MARKERS)


def line_style(position: int) -> dict[str, Any]:
    """Of the line at that position of a figure: no two are alike, and the first seven differ in colour."""
    return {
        "color": COLORS[position % len(COLORS)],
        "marker": MARKERS[position % len(MARKERS)],
        "linestyle": DASHES[(position + position // len(COLORS)) % len(DASHES)],
    }


def line_styles(names: Sequence[str], everyone: Collection[str], baseline: str) -> dict[str, dict[str, Any]]:
    """The style of each of `names`, which does not depend on their order: a hole or a new rank changes no colour.

    The baseline has the first one, and others that of their place in the alphabet of `everyone`. Where there are more
    methods than colours, that can be taken, and a name takes the next that is free and of the least used colour: what
    is drawn comes before what is not, so that up to seven lines still differ in colour.
    """
    check_lines(names)
    alphabet = [baseline, *sorted(set(everyone) - {baseline})]
    taken: dict[int, str] = {}
    for name in sorted(set(names), key=alphabet.index):
        wanted = alphabet.index(name) % MOST_LINES
        free = [slot % MOST_LINES for slot in range(wanted, wanted + MOST_LINES) if slot % MOST_LINES not in taken]
        uses = {slot: sum(other % len(COLORS) == slot % len(COLORS) for other in taken) for slot in free}
        taken[min(free, key=lambda slot: uses[slot])] = name
    return {name: line_style(slot) for slot, name in taken.items()}


def check_lines(names: Sequence[str]) -> None:
    """Raises TableError where lines could not be told apart."""
    if len(names) > MOST_LINES:
        raise TableError(
            f"{len(names)} methods were asked for, and no more than {MOST_LINES} lines can be told apart; "
            "name fewer with --only"
        )
