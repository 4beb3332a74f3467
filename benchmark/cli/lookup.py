"""Looks up what single test images came out as: whole records, and labels of kept predictions."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.store.content import Record
    from benchmark.store.store import Store
    from benchmark.tables.test_images import TestImages


def image_lookup(store: Store, others: tuple[Path, ...]) -> TestImages:
    """In the results folder `store`, then in the results and published folders `others`. Reads when it is asked."""
    from benchmark.tables.test_images import TestImages

    def records(ids: Collection[str]) -> dict[str, Record]:
        from benchmark.store import published

        found = {run: record for run in sorted(ids) if (record := store.read(run)) is not None}
        for other in others:
            lacking = set(ids) - set(found)
            if lacking:
                found |= {record["id"]: record for record in published.whole(other, lacking)}
        return found

    def labels(ids: Collection[str], test: str) -> NDArray[np.integer[Any]] | None:
        from benchmark.store import kept, published
        from benchmark.store.store import Store

        for place in (store, *(Store(published.located(other)) for other in others)):
            for run in ids:
                try:
                    arrays = kept.read_predictions(place, run)
                except (OSError, ValueError):  # none is kept, or it is damaged: those of any other run serve as well
                    continue
                if f"{test}/labels" in arrays:
                    return arrays[f"{test}/labels"]
        return None

    return TestImages(records, labels)
