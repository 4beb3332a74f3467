"""What networks make of the labels of a data set: a verdict on each, the share of wrong ones, confused classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from benchmark.datasets.base import Data
from benchmark.errors import UsageError
from benchmark.labels.detectors.base import Verdict
from benchmark.labels.examined import Examined, in_all_splits
from benchmark.labels.review_files import DECISIONS
from benchmark.noise.rate_estimate import FALLBACK, RateEstimate, confident_joint
from benchmark.runs.noisy_data import NoisyData
from benchmark.runs.prepare import LabelledSet
from benchmark.store.spreadsheet import from_csv


@dataclass(frozen=True)
class Doubts:
    """Labels that networks have judged."""

    examined: Examined
    verdict: Verdict
    estimate: RateEstimate
    decisions: Counter[str] = field(default_factory=Counter)
    """How many labels a reader has decided on, by decision."""


def confused(labels: np.ndarray, probabilities: np.ndarray, rate: float, classes: Sequence[str]) -> pd.DataFrame:
    """given, likely (class names) and labels (their number), the commonest first: which classes stand for which others.

    The shares of the pairs are those of the confident joint (`rate_estimate.confident_joint`) of `labels` [n] and
    held-out `probabilities` [n, K], scaled so that all pairs together make `rate`, the estimated share of wrong labels.
    """
    present, joint = confident_joint(labels, probabilities)
    wrong = joint * (1 - np.eye(len(joint)))
    if wrong.sum() > 0:
        wrong *= rate * len(labels) / wrong.sum()
    given, likely = np.nonzero(wrong)
    names = [[classes[k] for k in present[index]] for index in (given, likely)]
    pairs = pd.DataFrame({"given": names[0], "likely": names[1], "labels": wrong[given, likely]})
    return pairs.sort_values("labels", ascending=False, kind="stable", ignore_index=True)


def from_folder(folder: Path, noisy: NoisyData, data: Data) -> Doubts:
    """What `noisybench suspects --out FOLDER` found, with the decisions that people filled in since.

    Raises UsageError where the folder holds no such result, or one of other labels.
    """
    try:
        summary: dict[str, Any] = orjson.loads((folder / "summary.json").read_bytes())
        with np.load(folder / "probabilities.npz") as file:
            labels, verdict = file["labels"], Verdict(file["scores"], file["probabilities"])
        review = from_csv((folder / "suspects.csv").read_bytes())
        digest, doubt, interval = summary["dataset"]["digest"], summary["estimate_doubt"], summary["estimate_interval"]
        rate = summary["estimated_noise_rate"]
    except (OSError, ValueError, LookupError, TypeError) as error:
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
    if rate is None:
        estimate = RateEstimate(FALLBACK, None, None, doubt or "it was ranked by a run, which estimates no share")
    else:
        estimate = RateEstimate(rate, *interval)
    return Doubts(examined, verdict, estimate, _decisions(review))


def _decisions(review: pd.DataFrame) -> Counter[str]:
    """Of lines that a reader filled in; a new label without a decision counts as "relabel", as in `relabel apply`."""
    if not {"decision", "new_label"} <= {*review}:
        return Counter()
    decided = review["decision"].str.strip().str.lower()
    decided = decided.mask((decided == "") & (review["new_label"].str.strip() != ""), "relabel")
    return Counter(name for name in decided if name in DECISIONS)
