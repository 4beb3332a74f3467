"""Classes of new images by the kept model of a run, and which of them to refer to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.datasets.new_images import Kind, NewImages
from benchmark.runs.kept_model import KeptModel
from benchmark.store.content import Record


@dataclass(frozen=True)
class Referral:
    """The rule by which an image is referred: its largest probability is below `below`."""

    below: float
    reason: str
    """Where the number comes from, for people."""


def referral_of_share(validation: np.ndarray, share: float) -> Referral:
    """Refers as many as would be the `share` of the validation images, by their probabilities [m, K]."""
    surest = np.sort(validation.max(1))
    count = round(share * len(surest))
    below = float(surest[count]) if count < len(surest) else float(np.nextafter(1, 2))
    return Referral(below if count else 0.0, f", below which {count} of the {len(surest)} validation images lie")


def kind_of(record: Record, model: KeptModel) -> Kind:
    """What images the run of `record` was trained on."""
    about = model.about
    return Kind(about.shape, about.colors, record["images"], record["spec"]["dataset"]["config"])


def classified(parts: Iterable[NewImages], model: KeptModel, referral: Referral) -> Iterator[pd.DataFrame]:
    """Tables with a row per image: file, class, a probability per class, refer, problem.

    Of an image that cannot be used only file and problem are told.
    """
    for part in parts:
        rows: list[dict[str, Any]] = []
        if part.names:
            probabilities = model.probabilities(part.pixels)
            surest = probabilities.max(1)
            for name, p, refer in zip(part.names, probabilities, surest < referral.below, strict=True):
                chances = {f"p({label})": value for label, value in zip(model.about.classes, p, strict=True)}
                rows.append(
                    {
                        "file": name,
                        "class": model.about.classes[p.argmax()],
                        **chances,
                        "refer": "yes" if refer else "no",
                    }
                )
        rows += [{"file": name, "problem": why} for name, why in part.problems.items()]
        columns = ["file", "class", *(f"p({label})" for label in model.about.classes), "refer", "problem"]
        yield pd.DataFrame(rows, columns=columns).sort_values("file", kind="stable")
