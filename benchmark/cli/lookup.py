"""Looks up whole records, and what single test images came out as, in results and published folders."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.store.content import Record
    from benchmark.store.store import Store
    from benchmark.tables.test_images import TestImages


def whole_records(store: Store, others: Iterable[Path], ids: Collection[str]) -> Iterator[Record]:
    """The records of these runs with their curves and outcomes, once each, from the first place that holds them."""
    from benchmark.store import published, record_file

    left = set(ids)
    for run_id, content in chain(store.originals(ids), *(published.originals(place, ids) for place in others)):
        if run_id in left:
            left.discard(run_id)
            yield record_file.decode(content, f"the record of {run_id}")
        if not left:
            return


def image_lookup(store: Store, others: Collection[Path]) -> TestImages:
    """In the results folder `store`, then in the results and published folders `others`. Reads when it is asked."""
    from benchmark.tables.test_images import TestImages

    def records(ids: Collection[str]) -> dict[str, Record]:
        return {record["id"]: record for record in whole_records(store, others, ids)}

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
