"""What a record says of the sets that its run was scored on, as far as it is not in the figures: see `schema`."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from benchmark.model_selection import Rule
from benchmark.store.columns import STRICT, Columns


@STRICT
class TestSet(TypedDict):
    """One test set; `right` of an outcome follows its order."""

    size: int
    digest: str | None
    """SHA-256 of its images and labels in their order; None in records of schema 1."""
    groups: list[str] | None
    """[size] what samples belong together (a patient), as numbers; None where that is not known."""
    notes: NotRequired[list[str]]
    """Of an extra test set: how its classes were matched, and what may make it hard to compare; absent from records
    of schemas 1 and 2."""
    shared_images: int | None
    """Number of its images that are among the training images too, equal in every pixel; None in records of
    schemas 1 and 2."""


@STRICT
class Tests(TypedDict):
    test: TestSet
    extra: dict[str, TestSet]
    """By name."""


@STRICT
class CorruptedFigures(TypedDict):
    """Figures by one rule, of all copies."""

    epoch: int
    phase: str
    metrics: Columns
    """[copies] each, to five digits; None where a metric is undefined or predictions are not finite."""


@STRICT
class CorruptedTest(TypedDict):
    """Corrupted copies of the test set, with its labels."""

    kind: list[str]
    """[copies] corruption."""
    severity: list[int]
    """[copies] from 1, the weakest."""
    notes: list[str]
    figures: dict[Rule, CorruptedFigures | None]
    """Of the rules "val_noisy" and "last"; None where the rule chooses no epoch."""
