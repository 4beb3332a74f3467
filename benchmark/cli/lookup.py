"""Looks up whole records, and what single test images came out as, in results and published folders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
        predictions = predictions_lookup(store, others)
        kept = (found for run in ids if (found := predictions(run)) is not None)
        return next((arrays[f"{test}/labels"] for arrays in kept if f"{test}/labels" in arrays), None)

    return TestImages(records, labels)


def predictions_lookup(store: Store, others: Collection[Path]) -> Callable[[str], Mapping[str, NDArray[Any]] | None]:
    """The kept predictions of a run by its id, from the first place that has them; None where they are not kept, or
    are damaged, which is told on stderr."""
    from benchmark.store import kept, published
    from benchmark.store.store import Store

    # Published folders keep no predictions.
    located = [place for place in map(published.located, others) if published.file_of(place) is None]
    places = (store, *map(Store, located))

    told: set[Path] = set()

    def predictions(run: str) -> Mapping[str, NDArray[Any]] | None:
        for place in places:
            try:
                return kept.read_predictions(place, run)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                path = kept.path_of(place, run, kept.PREDICTIONS)
                if path not in told:
                    click.echo(f"not counted: {path} ({error}); `noisybench doctor` moves it aside", err=True)
                told.add(path)
        return None

    return predictions
