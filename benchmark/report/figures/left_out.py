"""Which methods and columns of noise a figure shows, by which rule they were chosen, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.report.figures.captions import Material
from benchmark.tables.shown import Shown, some

CLEAN_AND_WORST = "the clean one and the one in which most labels are wrong"
WORST_OF_KIND = "of every kind of noise the one in which most labels are wrong"


def drawn_methods(blocks: Sequence[Shown], material: Material) -> str:
    """Which methods a figure shows, where not all of them."""
    total = max(len(one.block.methods) for one in blocks)
    drawn = max(len(one.methods) for one in blocks)
    if drawn == total or any(one.named for one in blocks):
        return "" if drawn == total else f"{drawn} of {total} methods, as named."
    baseline = f"{material.baseline} and " if any(material.baseline in one.methods for one in blocks) else ""
    return f"{drawn} of {total} methods: {baseline}the best by average rank over the noisy columns."


def drawn_columns(blocks: Sequence[Shown], material: Material, chosen: str) -> str:
    """How many columns of noise are shown, by which rule they were `chosen`, and the others; "" where all are."""
    whole = {id(one.block): one.noise for one in material.blocks}
    pairs = [(one.noise, whole[id(one.block)]) for one in blocks]
    missing = dict.fromkeys(name for kept, known in pairs for name in known if name not in kept)
    if not missing:
        return ""
    counts = " or ".join(dict.fromkeys(f"{len(kept)} of {len(known)}" for kept, known in pairs))
    return f"{counts} columns of noise: {chosen}; left out: {some(missing)}; --only chooses what is drawn"


def without(what: str, places: Iterable[str]) -> str:
    """A sentence on the places for which the records hold nothing to draw."""
    names = list(dict.fromkeys(places))
    return f"not drawn, as the records hold no {what} there: {some(names)}" if names else ""
