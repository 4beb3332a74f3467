"""Which images are explained: chosen, drawn, uncertain and memorized ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import UsageError
from benchmark.runs.kept_model import KeptModel
from benchmark.runs.prepare import LabelledSet, Prepared

GROUPS = {
    "chosen": "named on the command line",
    "drawn": "test images drawn at random, of each class",
    "uncertain": "test images with the smallest largest probability, of each class",
    "memorized": "training images whose wrong label the model predicts, of each given class, the surest first",
}


@dataclass(frozen=True)
class Chosen:
    """m images, and what is known of each."""

    table: pd.DataFrame
    """[m rows] group, split, index, file, unit (what is drawn as one for intervals: the image, or all of a patient),
    given and clean label (-1: unknown), predicted label and its probability. The map is that of the predicted label."""
    images: NDArray[np.uint8]
    """[m, H, W, C]"""

    @property
    def targets(self) -> NDArray[np.int64]:
        return np.array(self.table["predicted"], dtype=np.int64)


class _Split:
    def __init__(self, name: str, part: LabelledSet, model: KeptModel) -> None:
        self.name = name
        self.part = part
        self.images = part.images
        self.probabilities = model.probabilities(self.images)
        self.index = np.arange(len(part.noisy)) if part.index is None else part.index
        self.units = part.sample_groups


def choose(prepared: Prepared, model: KeptModel, named: Sequence[str], per_class: int, seed: int) -> Chosen:
    """`named`: images as SPLIT:INDEX, the position in the whole split, or by their files. Raises UsageError."""
    sets = {"train": prepared.train, "val": prepared.val, "test": prepared.test}
    places = [_place(text, sets) for text in named]
    needed = {"train", "test", *(name for name, _ in places)}
    splits = {name: _Split(name, sets[name], model) for name in needed}
    test, train = splits["test"], splits["train"]
    generator = np.random.default_rng(seed)
    orders = {
        "drawn": (test, test.part.noisy, generator.permutation(len(test.part.noisy))),
        "uncertain": (test, test.part.noisy, np.argsort(test.probabilities.max(1), kind="stable")),
        "memorized": (train, train.part.noisy, _memorized(train)),
    }
    picked = [("chosen", splits[name], at) for name, at in places]
    for group, (split, labels, order) in orders.items():
        for k in range(prepared.num_classes):
            picked += [(group, split, int(at)) for at in order[labels[order] == k][:per_class]]
    table = pd.DataFrame([_row(group, split, at) for group, split, at in picked])
    if train.part.clean is None:
        table["clean"] = -1  # of test images too: no noise is put into them, and that does not make their labels true
    return Chosen(
        table,
        np.stack([split.images[at] for _, split, at in picked]),
    )


def _place(text: str, sets: Mapping[str, LabelledSet]) -> tuple[str, int]:
    """Split and position among its samples of an image."""
    name, _, number = text.partition(":")
    for split, part in sets.items():
        index = np.arange(len(part.noisy)) if part.index is None else part.index
        if name == split and number.isdigit():
            at = np.flatnonzero(index == int(number))
        elif part.files is not None:
            at = np.flatnonzero([part.files[i] == text for i in index])
        else:
            continue
        if len(at):
            return split, int(at[0])
    raise UsageError(
        f"--images {text}: the run has no such image; expected its file as the data set names it, or its split and its "
        "position there from 0 on, such as test:17 (training images that a subset or the clean set leaves out are not "
        "there)"
    )


def _memorized(train: _Split) -> NDArray[np.intp]:
    """Positions of wrongly labelled training images whose label the model predicts, the surest first."""
    clean, noisy = train.part.clean, train.part.noisy
    if clean is None:
        return np.zeros(0, dtype=np.intp)
    found = np.flatnonzero((clean != noisy) & (train.probabilities.argmax(1) == noisy))
    return found[np.argsort(-train.probabilities[found, noisy[found]], kind="stable")]


def _row(group: str, split: _Split, at: int) -> dict[str, object]:
    part, p, index = split.part, split.probabilities[at], int(split.index[at])
    return {
        "group": group,
        "split": split.name,
        "index": index,
        "file": None if part.files is None else part.files[index],
        "unit": f"{split.name}:{index if split.units is None else split.units[at]}",
        "given": int(part.noisy[at]),
        "clean": -1 if part.clean is None else int(part.clean[at]),
        "predicted": int(p.argmax()),
        "probability": float(p.max()),
    }
