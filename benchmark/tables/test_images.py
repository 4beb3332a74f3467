"""Where statistics of single test images look up what tables do without: large fields of records, and labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.store.content import Record


@dataclass(frozen=True)
class TestImages:
    __test__ = False  # no class of tests

    records: Callable[[Collection[str]], Mapping[str, Record]]
    """Whole records by run id; those that cannot be had are absent."""
    labels: Callable[[Collection[str], str], NDArray[np.integer[Any]] | None]
    """The labels [n] of a test set ("test", or an extra one's name), from kept predictions of one of these runs; None
    where none are kept."""
