"""Labels that networks have judged, by `noisybench suspects` or just now, and what readers decided of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import pandas as pd

from benchmark.datasets.base import Data
from benchmark.errors import UsageError
from benchmark.labels.detectors.base import Verdict
from benchmark.labels.examined import Examined, in_all_splits
from benchmark.labels.review_files import DECISIONS, read
from benchmark.noise.rate_estimate import HeldOut
from benchmark.runs.noisy_data import NoisyData
from benchmark.runs.prepare import LabelledSet
from benchmark.store.arrays import UNREADABLE


@dataclass(frozen=True)
class Doubts:
    """Labels that networks have judged."""

    examined: Examined
    verdict: Verdict
    held_out: HeldOut | None
    """Predictions of networks that were not trained on the sample; None where a run judged its own labels."""
    decisions: Counter[str] = field(default_factory=Counter)
    """How many labels a reader has decided on, by decision."""
    decided: frozenset[tuple[str, str]] = frozenset()
    """Split and index of these."""


def from_folder(folder: Path, noisy: NoisyData, data: Data) -> Doubts:
    """What `noisybench suspects --out FOLDER` found, with the decisions that people filled in since.

    Raises UsageError where the folder holds no such result, or one of other labels.
    """
    try:
        digest = orjson.loads((folder / "summary.json").read_bytes())["dataset"]["digest"]
        with np.load(folder / "probabilities.npz", allow_pickle=False) as file:
            labels, verdict = file["labels"], Verdict(file["scores"], file["probabilities"])
            held_out = HeldOut(file["held_out"], file["twins"]) if "held_out" in file else None
        review = read(folder / "suspects.csv").rows
    except UNREADABLE as error:
        raise UsageError(
            f"{folder} holds no result of `noisybench suspects` ({error}); expected the folder that its --out names"
        ) from None
    examined = in_all_splits(noisy, data)
    if len(labels) != len(examined.part.noisy):
        rows = np.arange(len(data.train))  # `in_all_splits` begins with them
        part = LabelledSet(data.train.images, data.train.labels, None, key=f"{noisy.source.key}/train")
        examined = Examined(part, examined.places.iloc[rows])
    if digest != noisy.source.digest or not np.array_equal(labels, examined.part.noisy):
        raise UsageError(
            f"{folder} is of other data or labels than {noisy.source.dataset.label}; expected a result of `noisybench "
            "suspects` with the same -d, without --noise"
        )
    decided = _decided(review)
    return Doubts(examined, verdict, held_out, Counter(decided.values()), frozenset(decided))


def _decided(review: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Split and index -> decision, of lines that a reader filled in, as `relabel apply` takes them."""
    if not {"decision", "index"} <= set(review.columns):
        return {}
    splits = review["split"] if "split" in review else pd.Series("train", review.index)
    rows = zip(splits, review["index"], review["decision"].str.strip().str.lower(), strict=True)
    return {(split, index): decision for split, index, decision in rows if decision in DECISIONS}
