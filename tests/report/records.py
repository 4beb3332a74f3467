"""Records of small grids for the tests of layouts and formats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tests.tables.test_comparison import Record
from tests.tables.test_comparison import record as record

BETTER = {"ce": 0.0, "gce": 0.1, "forward": 0.099}
"""How far the accuracy of a method lies above that of the first, far more than it varies by seed."""


def grid(
    methods: Sequence[str] = tuple(BETTER), seeds: int = 6, rates: Sequence[float] = (0.0, 0.2, 0.4), **changes: object
) -> list[Record]:
    """A run per method, rate and seed: the first place is shared where `methods` are those of `BETTER`."""
    draws = np.random.default_rng(0)
    return [
        record(
            round(0.7 - rate / 2 + BETTER.get(method, 0.0) + 0.005 * float(draws.standard_normal()), 4),
            method,
            rate,
            seed,
            **changes,
        )
        for method in methods
        for rate in rates
        for seed in range(seeds)
    ]


def named(records: Sequence[Record], name: str) -> list[Record]:
    """The records with this name for their data set."""
    return [
        {**run, "provenance": {**run["provenance"], "labels": {**run["provenance"]["labels"], "dataset": name}}}
        for run in records
    ]


NAN = math.nan
