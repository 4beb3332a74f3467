"""The marks behind the names of methods, as tables have them, and the sentences that explain them in a caption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.hint_names import CLEAN_SET, SOFT_LABELS
from benchmark.report.layouts import cells
from benchmark.tables.shown import Shown


def marks(blocks: Sequence[Shown]) -> dict[str, str]:
    """Per method what stands behind its name: "†", "*", " (2 nets)"; that of the first block that has any."""
    found: dict[str, str] = {}
    for one in blocks:
        for method in one.block.methods.index:
            if not found.get(method):
                found[str(method)] = cells.marks(one.block, method)
    return found


def explained(blocks: Sequence[Shown], drawn: Iterable[str] | None = None) -> str:
    """What the marks mean of the methods that are `drawn`, or else of all that are shown; "" where none has one."""
    names = None if drawn is None else set(drawn)
    rows = [
        (one.block.place.track, row)
        for one in blocks
        for method, row in one.block.methods.iterrows()
        if (method in one.methods if names is None else method in names)
    ]
    told = []
    needs = {(track, hint) for track, row in rows for hint in str(row["needs"]).split(", ") if hint}
    if by_raters := {(track, hint) for track, hint in needs if hint == SOFT_LABELS}:
        told.append("† is trained on the probabilities that raters give the classes")
    needs -= by_raters
    if hints := ", ".join(sorted({hint.replace("_", " ") for _, hint in needs})):
        # The truth is told in the oracle track alone; a clean set is the truth in both.
        estimated = {track != "oracle" for track, hint in needs if hint != CLEAN_SET}
        how = "is given an estimate of" if estimated == {True} else "is given the true" if estimated == {False} else ""
        if len(estimated) == 2:
            how = "is given, as it is in the oracle track and else as an estimate,"
        told.append(f"† {how or 'is given a'} {hints}")
    if any(row["deviations"] for _, row in rows):
        told.append("* sets a learning rate, weight decay or optimizer of its own")
    if any(row["networks"] > 1 for _, row in rows):
        told.append("(2 nets), or another number: predicts with so many networks")
    return f"{'; '.join(told)}." if told else ""
