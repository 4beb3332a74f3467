"""A results folder of many synthetic records, made from one real run, to time the reading of records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmark.store import schema, segments
from benchmark.store.atomic import write_atomically
from benchmark.store.compaction import SEGMENT_BYTES
from benchmark.store.content import id_of
from benchmark.store.record_file import encode
from benchmark.store.segments import Original
from benchmark.store.store import Store

RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SEEDS = range(10)


def fill(store: Store, real: Mapping[str, Any], methods: list[str], count: int) -> None:
    """Writes segments of `count` records like `real`, a grid of data sets x methods x rates x seeds."""
    batch: list[Original] = []
    size = 0
    for number, record in enumerate(_grid(real, methods, count)):
        if not number:
            schema.check(record, "a record made for measuring")
        batch.append((record["id"], encode(record)))
        size += len(batch[-1][1])
        if size >= SEGMENT_BYTES:
            _write(store, batch)
            batch, size = [], 0
    _write(store, batch)


def _write(store: Store, batch: list[Original]) -> None:
    if batch:
        encoded = segments.encode(batch)
        write_atomically(store.folder / "segments" / segments.name_of(encoded), encoded)


def _grid(real: Mapping[str, Any], methods: list[str], count: int) -> Iterator[dict[str, Any]]:
    generator = np.random.default_rng(0)
    cells = len(methods) * len(RATES) * len(SEEDS)
    grid = itertools.product(range(math.ceil(count / cells)), methods, RATES, SEEDS)
    for number, method, rate, seed in itertools.islice(grid, count):
        spec, provenance = real["spec"], real["provenance"]
        spec = {
            **spec,
            "dataset": {**spec["dataset"], "name": f"set{number}", "digest": f"md5:{number:032x}"},
            "method": {"name": method, "version": 1, "config": {}, "source": None},
            "noise": {**spec["noise"], "config": {**spec["noise"]["config"], "rate": rate}},
            "seeds": dict.fromkeys(spec["seeds"], seed),
        }
        names = {**provenance["labels"], "dataset": f"set{number}"}
        record = {
            **real,
            "id": id_of(spec),
            "spec": spec,
            "metrics": shaken(real["metrics"], generator),
            "timing": shaken(real["timing"], generator),
            "noise": {**real["noise"], "labels_sha256": f"{number}/{rate}/{seed}"},
            "provenance": {**provenance, "labels": names, "method_digest": method},
        }
        yield record


def shaken(value: Any, generator: np.random.Generator) -> Any:
    """`value` with every float changed at random, so that records compress no better than real ones."""
    if isinstance(value, dict):
        return {key: shaken(inner, generator) for key, inner in value.items()}
    if isinstance(value, list):
        return [shaken(inner, generator) for inner in value]
    return value * float(generator.uniform(0.5, 1)) if isinstance(value, float) else value
